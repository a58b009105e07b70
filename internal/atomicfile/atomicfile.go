// Package atomicfile writes files that other programs, and this one after a crash, see whole.
package atomicfile

import (
	"cmp"
	"errors"
	"io/fs"
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
		return named(err, path)
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = cmp.Or(named(err, path), named(f.Close(), path)); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// named makes err name path and not the temporary file.
func named(err error, path string) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		of.Path = path
	}
	return err
}
