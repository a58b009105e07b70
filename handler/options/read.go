package options

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Problem describes an invalid key or value.
type Problem struct {
	Key   string
	Known []string // the valid keys, for an unknown key
	Err   error
}

// Error returns the text of the problem, without its place.
func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// ErrType is returned by a Reader for a value of another type.
var ErrType = errors.New("wrong type")

// Reader converts a key's value to a field's. The result must be assignable to the field.
type Reader func(value any) (any, error)

// Dialect holds special readers of keys, and the texts of problems. The zero Dialect is empty.
type Dialect struct {
	Readers map[string]Reader
	// by key: the text about an invalid value, with a %s
	Choices map[string]string
}

// Read fills the configuration that cfg points to from the table. It returns all problems: first
// invalid values in the order of the keys, then unknown keys, sorted.
func Read(table Table, cfg any, version string, d Dialect) (problems []*Problem) {
	to := reflect.ValueOf(cfg).Elem()
	keys := keysOf(to.Type(), version)
	for i := range keys {
		k := &keys[i]
		value, given := table[k.Name]
		if !given {
			continue
		}
		if err := k.read(to, value, d); err != nil {
			problems = append(problems, &Problem{Key: k.Name, Err: err})
		}
	}
	return append(problems, unknown(table, Names(keys))...)
}

func unknown(table Table, known []string) (problems []*Problem) {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(known, key) {
			problems = append(problems, &Problem{key, known, fmt.Errorf(
				"%s is an invalid/unsupported config or filter. The valid configs/filters are: %s", key, strings.Join(known, ", "))})
		}
	}
	return problems
}

func (k *Key) read(cfg reflect.Value, value any, d Dialect) (err error) {
	if read := d.Readers[k.Name]; read != nil {
		if value, err = read(value); err == nil {
			cfg.FieldByIndex(k.fields[0].index).Set(reflect.ValueOf(value))
		}
	} else if k.Choices != nil {
		err = k.choose(cfg, value, d.Choices[k.Name])
	} else {
		err = k.set(cfg, value)
	}
	if errors.Is(err, ErrType) {
		return fmt.Errorf("wrong type for key: %s", k.Name)
	}
	return err
}

// choose sets the flags that represent the values of a list.
func (k *Key) choose(cfg reflect.Value, value any, complaint string) error {
	list, ok := value.([]string)
	if !ok {
		return ErrType
	}
	for _, text := range list {
		i := slices.Index(k.Choices, text)
		switch {
		case i >= 0:
			cfg.FieldByIndex(k.fields[i].index).SetBool(true)
		case complaint != "":
			return fmt.Errorf(complaint, text)
		default:
			return fmt.Errorf("%s has no value %q. Its values are: %s", k.Name, text, strings.Join(k.Choices, ", "))
		}
	}
	return nil
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

func (k *Key) set(cfg reflect.Value, value any) error {
	f := &k.fields[0]
	if f.typ == reflect.TypeFor[struct{}]() {
		return nil
	}
	to := cfg.FieldByIndex(f.index)
	switch {
	case isNumber(f.typ):
		return k.setNumber(to, value)
	case f.typ.Kind() == reflect.Bool:
		flag, ok := value.(bool)
		if !ok {
			return ErrType
		}
		to.SetBool(flag != f.invert)
		return nil
	case f.typ.Kind() == reflect.Slice && !reflect.PointerTo(f.typ).Implements(textType):
		return k.setList(to, value)
	case reflect.TypeOf(value).AssignableTo(f.typ): // a Table
		to.Set(reflect.ValueOf(value))
		return nil
	}
	return k.setText(to, value)
}

func (k *Key) setNumber(to reflect.Value, value any) error {
	n, ok := value.(uint64)
	switch {
	case !ok:
		return ErrType
	case !k.cut && (n < k.Min || n > k.Max):
		return fmt.Errorf("%s must be from %d to %d but is %d", k.Name, k.Min, k.Max, n)
	}
	n = min(max(n, k.Min), k.Max)
	if to.Type() == durationType {
		n *= uint64(k.fields[0].unit)
		if n == 0 && to.Int() != 0 { // another key of the field has set it
			return nil
		}
	}
	if to.CanUint() {
		to.SetUint(n)
	} else {
		to.SetInt(int64(n))
	}
	return nil
}

func (k *Key) setList(to reflect.Value, value any) error {
	list, ok := value.([]string)
	if !ok {
		return ErrType
	}
	out := reflect.MakeSlice(to.Type(), len(list), len(list))
	for i, text := range list {
		if err := k.setText(out.Index(i), text); err != nil {
			return err
		}
	}
	to.Set(out)
	return nil
}

// setText sets a text, or a type that unmarshals one.
func (k *Key) setText(to reflect.Value, value any) error {
	text, ok := value.(string)
	if !ok {
		return ErrType
	}
	if to.Kind() == reflect.String {
		to.SetString(text)
		return nil
	}
	read, ok := reflect.TypeAssert[encoding.TextUnmarshaler](to.Addr())
	if !ok {
		return fmt.Errorf("%s cannot be read: its field has the type %v", k.Name, to.Type())
	}
	if err := read.UnmarshalText([]byte(text)); err != nil {
		return fmt.Errorf("invalid value for key %s: %w", k.Name, err)
	}
	return nil
}
