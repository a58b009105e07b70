// Package atomicfile writes files that other programs, and this one after a crash, see whole.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write makes data the content of a file, which only its owner can read. The file has the old or
// the new content, never a part of it. Nothing is left behind by an error.
//
// A link stays, and its target is written. A device or a pipe stays, too: it receives data.
func Write(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() {
			return os.WriteFile(path, data, 0o600)
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
