package sketch

import "fmt"

// errCorrupt is the error for bytes that do not hold a sketch.
func errCorrupt(what, why string) error {
	return fmt.Errorf("sketch: these bytes are not %s: %s", what, why)
}
