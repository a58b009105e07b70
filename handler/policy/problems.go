package policy

import (
	"errors"
	"slices"
)

// Errors are all problems of a document, or of one of its policies. The text is that of the first,
// which pktvisor finds first too.
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

// add keeps an error once, since maps are walked more than once.
func (e *Errors) add(err *Error) {
	same := func(other *Error) bool { return *other == *err }
	if len(*e) < maxProblems && !slices.ContainsFunc(*e, same) {
		*e = append(*e, err)
	}
}

// orNil returns e as an error, nil if there is none.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Problems returns the errors of documents that err joins or wraps, nil if there are none.
func Problems(err error) []*Error {
	if all, ok := errors.AsType[Errors](err); ok {
		return all
	}
	if one, ok := errors.AsType[*Error](err); ok {
		return []*Error{one}
	}
	return nil
}
