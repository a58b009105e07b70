package sketch

import "fmt"

// errCorrupt is the error of bytes that are no sketch.
func errCorrupt(what, why string) error {
	return fmt.Errorf("sketch: these bytes are not %s: %s", what, why)
}
