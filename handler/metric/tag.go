package metric

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// tagKeys are the keys that the tag of a field may have.
var tagKeys = []string{"metric", "help", "label", "prom", "float", "sparse", "with"}

// checkTag returns an error for a key that the tag of a field cannot have. A misspelt key would
// hide the metric, or its help, without a word.
func checkTag(sf reflect.StructField) error {
	rest := strings.TrimSpace(string(sf.Tag))
	for rest != "" {
		key, value, _ := strings.Cut(rest, ":")
		if !slices.Contains(tagKeys, key) {
			return fmt.Errorf("the tag has no key %q; its keys are %s", key, strings.Join(tagKeys, ", "))
		}
		quoted, err := strconv.QuotedPrefix(value)
		if err != nil {
			return fmt.Errorf("the tag is no list of key:%q", "value")
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
