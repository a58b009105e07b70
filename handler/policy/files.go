package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"visor/handler/options"
)

// errNoFiles is the error of a tap or policy from the API that names a file.
var errNoFiles = errors.New("taps and policies from the API may not open files; a directory below which they may is named by --api-files DIR")

// namesFile reports whether the configuration or the filter of a policy's input names a file to
// read, or permits other kinds of files.
func (m *Manager) namesFile(in *Input) bool {
	t := m.cfg.Types.input(in.InputType)
	return t != nil && slices.ContainsFunc(t.Keys, func(k options.Key) bool {
		_, named := merged(in.Config, in.Filter)[k.Name]
		return named && (k.Type == "file" || k.Name == AllowFIFO)
	})
}

// opener opens a file for reading.
type opener func(path string) (*os.File, error)

// openFile opens a regular file. A named pipe or a device would block the Manager.
func openFile(path string) (*os.File, error) {
	return regular(os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

// below returns an opener for files in and below a directory, safe against symbolic links. A nil
// root opens none.
func below(root *os.Root) opener {
	return func(path string) (*os.File, error) {
		if root == nil {
			return nil, errNoFiles
		}
		name := path
		if filepath.IsAbs(path) {
			dir, err := filepath.Abs(root.Name())
			if err != nil {
				return nil, err
			}
			if name, err = filepath.Rel(dir, path); err != nil || name == ".." || strings.HasPrefix(name, ".."+string(filepath.Separator)) {
				return nil, fmt.Errorf("%s is not below %s, where files for the API are", path, dir)
			}
		}
		return regular(root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0))
	}
}

func regular(f *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %s, and only regular files are read%s", f.Name(), describeMode(info.Mode()), remedy(info.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func remedy(m fs.FileMode) string {
	if m&fs.ModeNamedPipe == 0 {
		return ""
	}
	return ", unless a tap of the configuration file has allow_fifo: true"
}

func describeMode(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}
