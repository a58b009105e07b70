// Package options reads configuration that is declared beside the fields it fills.
//
//	type Config struct {
//		handler.Settings
//
//		Only    []string      `policy:"only_names" help:"counts these names alone"`
//		Size    int           `policy:"max_size" range:"1-512" help:"bytes of the largest frame"`
//		Timeout time.Duration `policy:"ttl_secs,ttl_ms" help:"how long an entry waits"`
//	}
//
//	var cfg Config
//	problems := options.Read(table, &cfg, "1.0", options.Dialect{})
//
// The tag policy has the YAML key. A key that begins with ! sets the field to the opposite of its
// value. A key with =value sets a flag if the list at the key has that value. Several keys of one
// duration differ in their unit.
//
// The tag range has the bounds of a number. Values outside are problems, or with ",cut" are clamped
// to the nearest bound. The tag values has the valid texts, separated by spaces. The tag only has
// the version that supports the key. The tag type describes the type if the field's own type does
// not; the type "file" is the path of a file to read. The tag in:"filter" marks keys for the filter
// of an input.
//
// A struct field reads a table, and a map of structs reads a table of tables by name. Fields of
// embedded structs come after all others. A blank field declares a key without effect.
package options
