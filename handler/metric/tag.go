package metric

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// tagKeys are the valid keys of a field's tag.
var tagKeys = []string{"metric", "help", "label", "prom", "float", "sparse", "total", "with"}

// checkTag returns an error for an invalid key in a field's tag. A misspelt key would silently hide
// the metric or its help.
func checkTag(sf reflect.StructField) error {
	rest := strings.TrimSpace(string(sf.Tag))
	for rest != "" {
		key, value, _ := strings.Cut(rest, ":")
		if !slices.Contains(tagKeys, key) {
			return fmt.Errorf("the tag has no key %q; its keys are %s", key, strings.Join(tagKeys, ", "))
		}
		quoted, err := strconv.QuotedPrefix(value)
		if err != nil {
			return fmt.Errorf("the tag is not a list of key:%q", "value")
		}
		rest = strings.TrimSpace(value[len(quoted):])
	}
	_, named := sf.Tag.Lookup("metric")
	_, with := sf.Tag.Lookup("with")
	if rest = string(sf.Tag); rest != "" && !named && !with {
		return fmt.Errorf("the tag lacks the key %q", "metric")
	}
	return nil
}
