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

// Dialect holds special readers of keys, and the texts of problems. The zero Dialect is empty.
type Dialect struct {
	Readers map[string]Reader
	// by key: the text about an invalid value. A %s in it is replaced by the value
	Choices map[string]string
}

// Read fills the configuration that cfg points to from the table. It returns all problems: first
// invalid values in the order of the keys, then unknown keys, sorted.
func Read(table Table, cfg any, version string, d Dialect) (problems Problems) {
	to := reflect.ValueOf(cfg).Elem()
	keys := keysOf(to.Type(), version)
	return append(readKeys(keys, table, to, d), Unknown(table, Names(keys))...)
}

func readKeys(keys []Key, table Table, to reflect.Value, d Dialect) (problems Problems) {
	for i := range keys {
		if value, given := table[keys[i].Name]; given {
			problems = append(problems, under(keys[i].Name, keys[i].read(to, value, d))...)
		}
	}
	return problems
}

// Unknown returns the problems of the keys of a table that are missing in the list of valid ones.
func Unknown(table Table, known []string) (problems Problems) {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(known, key) {
			problems = append(problems, &Problem{Path: []string{key}, Known: known, Err: fmt.Errorf(
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
		return err
	}
	if k.flags {
		return k.choose(cfg, value, d)
	}
	if text, ok := value.(string); ok && text != "" && k.Choices != nil && !slices.Contains(k.Choices, text) {
		return k.noChoice(text, d)
	}
	return k.set(cfg, value, d)
}

// choose sets the flags that represent the values of a list.
func (k *Key) choose(cfg reflect.Value, value any, d Dialect) error {
	_, err := Each(value, func(text string) (struct{}, error) {
		i := slices.Index(k.Choices, text)
		if i < 0 {
			return struct{}{}, k.noChoice(text, d)
		}
		cfg.FieldByIndex(k.fields[i].index).SetBool(true)
		return struct{}{}, nil
	})
	return err
}

func (k *Key) noChoice(text string, d Dialect) error {
	if complaint := d.Choices[k.Name]; complaint != "" {
		return errors.New(strings.Replace(complaint, "%s", text, 1))
	}
	return fmt.Errorf("%s has no value %q. Its values are: %s", k.Name, text, strings.Join(k.Choices, ", "))
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

func (k *Key) set(cfg reflect.Value, value any, d Dialect) error {
	f := &k.fields[0]
	to := cfg.FieldByIndex(f.index)
	if !to.CanSet() { // a blank field: the value is only checked
		to = reflect.New(f.typ).Elem()
	}
	switch {
	case f.typ == reflect.TypeFor[struct{}]():
		return nil
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
	case k.Keys != nil:
		return k.setTables(to, value, d)
	case reflect.TypeOf(value).AssignableTo(f.typ): // a Table
		to.Set(reflect.ValueOf(value))
		return nil
	}
	return k.setText(to, value)
}

// setTables sets a struct, or a map of structs by name. As in pktvisor, it ignores unknown keys in
// them.
func (k *Key) setTables(to reflect.Value, value any, d Dialect) error {
	table, ok := value.(Table)
	if !ok {
		return ErrType
	}
	if to.Kind() == reflect.Struct {
		return readKeys(k.Keys, table, to, d).orNil()
	}
	to.Set(reflect.MakeMap(to.Type()))
	_, err := Entries(table, func(name string, entry any) (string, struct{}, error) {
		inner, ok := entry.(Table)
		if !ok {
			return name, struct{}{}, ErrType
		}
		one := reflect.New(to.Type().Elem()).Elem()
		err := readKeys(k.Keys, inner, one, d).orNil()
		to.SetMapIndex(reflect.ValueOf(name), one)
		return name, struct{}{}, err
	})
	return err
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
	out := reflect.MakeSlice(to.Type(), 0, 0)
	_, err := Each(value, func(text string) (struct{}, error) {
		item := reflect.New(to.Type().Elem()).Elem()
		err := k.setText(item, text)
		out = reflect.Append(out, item)
		return struct{}{}, err
	})
	to.Set(out)
	return err
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
