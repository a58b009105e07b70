package policy

import (
	"errors"
	"fmt"
	"slices"
)

// Errors holds all problems of a document, or of one of its policies. Its text is the first
// error's, which pktvisor also finds first.
type Errors []*Error

// Error returns the text of the first.
func (e Errors) Error() string { return e[0].Error() }

// Unwrap returns the errors.
func (e Errors) Unwrap() (all []error) {
	for _, err := range e {
		all = append(all, err)
	}
	return all
}

// add adds an error once, because maps are walked repeatedly.
func (e *Errors) add(err *Error) {
	same := func(other *Error) bool { return *other == *err }
	if len(*e) < maxProblems && !slices.ContainsFunc(*e, same) {
		*e = append(*e, err)
	}
}

// orNil returns e as an error, or nil without errors.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Problems returns the errors of documents that err joins or wraps, or nil without any.
func Problems(err error) []*Error {
	if all, ok := errors.AsType[Errors](err); ok {
		return all
	}
	if one, ok := errors.AsType[*Error](err); ok {
		return []*Error{one}
	}
	return nil
}

// InFile returns err with the name of its file, in pktvisord's words. If err has several
// [Problems], each has the name, and errors.Join joins them.
func InFile(err error, path string) error {
	problems := Problems(err)
	switch {
	case err == nil:
		return nil
	case len(problems) < 2: // err may have more words
		return fmt.Errorf("%w in config file: %s", err, path)
	}
	var named []error
	for _, e := range problems {
		named = append(named, fmt.Errorf("%w in config file: %s", e, path))
	}
	return errors.Join(named...)
}
