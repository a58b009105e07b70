// Command notices writes the licences of all modules that a program links. Distributors of the
// program need them:
//
//	go run ./internal/notices ./examples/visord > NOTICES
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: notices PACKAGE")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

// module is one module in the output of go list.
type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

// write writes the licences of the modules that a package links, and Go's own.
func write(w io.Writer, pkg string) error {
	modules, err := linked(pkg)
	if err != nil {
		return err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	modules = append([]module{{Path: "Go standard library", Dir: strings.TrimSpace(string(root))}}, modules...)
	for _, m := range modules {
		texts, err := licences(m.Dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		if _, err := fmt.Fprintf(w, "== %s %s\n\n%s\n", m.Path, m.Version, texts); err != nil {
			return err
		}
	}
	return nil
}

// linked returns the modules of a package's dependencies in the order of their paths.
func linked(pkg string) (out []module, err error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", pkg)
	cmd.Stderr = os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for dec := json.NewDecoder(bytes.NewReader(list)); ; {
		var p struct{ Module *module }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		m := p.Module
		if m == nil || m.Main || seen[m.Path] {
			continue
		}
		seen[m.Path] = true
		if m.Replace != nil {
			m.Dir = m.Replace.Dir
		}
		// part of this repository
		if !filepath.IsAbs(m.Dir) || m.Version == "" && m.Replace != nil {
			continue
		}
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// licences returns the texts in a folder that a licence requires to pass on.
func licences(dir string) (out []byte, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		asked := slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, func(p string) bool { return strings.HasPrefix(name, p) })
		if e.IsDir() || !asked {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(append(out, bytes.TrimSpace(text)...), "\n\n"...)
	}
	if len(out) == 0 {
		return nil, errors.New("no licence found")
	}
	return out, nil
}
