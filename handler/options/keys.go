package options

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table holds configuration values by key: uint64, bool, string, []string, or Table.
type Table map[string]any

// Key is one key of a configuration.
type Key struct {
	Name     string
	Help     string
	Type     string // "flag", "text", "list of texts", "number", "table", or the text of the tag
	Min, Max uint64 // of a number
	Ranged   bool   // the field has a tag range
	Choices  []string
	Keys     []Key // of the table, or of each table in it
	Named    bool  // the value is a table of tables by name
	Filter   bool  // the key belongs to the filter of an input, not to its configuration

	fields []field
	cut    bool // numbers outside the range are clamped
	flags  bool // the choices are values of a list, each with its field
}

// field is the target of a key.
type field struct {
	index  []int
	typ    reflect.Type
	invert bool
	choice string
	unit   time.Duration
}

// Keys returns the keys of the configuration T in a version, in field order.
func Keys[T any](version string) []Key { return keysOf(reflect.TypeFor[T](), version) }

func keysOf(typ reflect.Type, version string) (out []Key) {
	walk(typ, nil, func(f reflect.StructField, index []int) {
		if only, ok := f.Tag.Lookup("only"); ok && only != version {
			return
		}
		for name := range strings.SplitSeq(f.Tag.Get("policy"), ",") {
			out = addKey(out, name, f, index)
		}
	})
	return out
}

// walk visits the tagged fields, fields of embedded structs last.
func walk(typ reflect.Type, at []int, visit func(reflect.StructField, []int)) {
	var embedded []int
	for i := range typ.NumField() {
		f, index := typ.Field(i), append(slices.Clone(at), i)
		_, tagged := f.Tag.Lookup("policy")
		switch {
		case tagged:
			visit(f, index)
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			embedded = append(embedded, i)
		case f.IsExported() && f.Type.Kind() == reflect.Struct:
			walk(f.Type, index, visit)
		}
	}
	for _, i := range embedded {
		walk(typ.Field(i).Type, append(slices.Clone(at), i), visit)
	}
}

func addKey(keys []Key, name string, f reflect.StructField, index []int) []Key {
	to := field{index: index, typ: f.Type}
	name, to.invert = strings.CutPrefix(name, "!")
	name, to.choice, _ = strings.Cut(name, "=")
	if to.unit = time.Second; strings.HasSuffix(name, "_ms") || strings.HasSuffix(name, "_msec") {
		to.unit = time.Millisecond
	}
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		k := Key{
			Name: name, Help: f.Tag.Get("help"), Type: typeOf(f, to.choice), Max: math.MaxInt32, cut: true,
			Filter: f.Tag.Get("in") == "filter", flags: to.choice != "",
		}
		if f.Type.Kind() == reflect.Uint64 {
			k.Max = 1 << 40
		}
		if bounds, ok := f.Tag.Lookup("range"); ok {
			k.setRange(bounds)
		}
		if values, ok := f.Tag.Lookup("values"); ok {
			k.Choices = strings.Fields(values)
		}
		k.Keys = tableKeys(f.Type)
		k.Named = k.Keys != nil && f.Type.Kind() == reflect.Map
		keys, i = append(keys, k), len(keys)
	}
	if keys[i].fields = append(keys[i].fields, to); to.choice != "" {
		keys[i].Choices = append(keys[i].Choices, to.choice)
	}
	return keys
}

// tableKeys returns the keys of the struct that a table, or each table in it, is read into.
func tableKeys(typ reflect.Type) []Key {
	if typ.Kind() == reflect.Map && typ.Key().Kind() == reflect.String {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return nil
	}
	return keysOf(typ, "")
}

func (k *Key) setRange(text string) {
	bounds, mode, _ := strings.Cut(text, ",")
	low, high, _ := strings.Cut(bounds, "-")
	k.Min, _ = strconv.ParseUint(low, 10, 64) // a missing lower bound is the least value
	k.Max, _ = strconv.ParseUint(high, 10, 64)
	k.Ranged, k.cut = true, mode == "cut"
}

func typeOf(f reflect.StructField, choice string) string {
	switch typ := f.Tag.Get("type"); {
	case typ != "":
		return typ
	case choice != "":
		return "list of texts"
	case isNumber(f.Type):
		return "number"
	}
	switch f.Type.Kind() {
	case reflect.Bool:
		return "flag"
	case reflect.Slice:
		return "list of texts"
	case reflect.Map:
		return "table"
	case reflect.Struct:
		switch {
		case f.Name == "_":
			return "any"
		case tableKeys(f.Type) != nil:
			return "table"
		}
	}
	return "text"
}

func isNumber(typ reflect.Type) bool {
	return typ.Kind() >= reflect.Int && typ.Kind() <= reflect.Uint64 && !reflect.PointerTo(typ).Implements(textType)
}

// Names returns the names of keys.
func Names(keys []Key) (out []string) {
	for i := range keys {
		out = append(out, keys[i].Name)
	}
	return out
}

// Range returns the bounds of a number or the valid texts, or "" if all values are valid.
func (k *Key) Range() string {
	if !k.Ranged {
		return strings.Join(k.Choices, ", ")
	}
	return fmt.Sprintf("%d to %d", k.Min, k.Max)
}
