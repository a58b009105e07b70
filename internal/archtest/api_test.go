package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/golden"
)

// TestAPI holds the public surface to api.txt, so that a change of it is seen in review. If the
// change is intended, run it with -update, and describe in CHANGELOG.md what users must do.
func TestAPI(t *testing.T) {
	var out bytes.Buffer
	for _, dir := range publicPackages(t) {
		appendAPI(t, &out, dir)
	}
	golden.Equal(t, "testdata/api.txt", out.Bytes())
}

// publicPackages returns the folders of the packages that users may import, from the root.
func publicPackages(t *testing.T) (dirs []string) {
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		switch name := d.Name(); {
		case name == "internal", name == "examples", name == "benchmarks", name == "testdata", strings.HasPrefix(name, ".") && path != "../..":
			return fs.SkipDir
		}
		if files, _ := filepath.Glob(filepath.Join(path, "*.go")); len(files) > 0 {
			dirs = append(dirs, path)
		}
		return nil
	}))
	slices.Sort(dirs)
	return dirs
}

// appendAPI writes the exported declarations of a package, without comments and bodies, for Linux.
func appendAPI(t *testing.T, out *bytes.Buffer, dir string) {
	fset := token.NewFileSet()
	var files []*ast.File
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		name := e.Name()
		base := strings.TrimSuffix(name, ".go")
		if base == name || strings.HasSuffix(base, "_test") || strings.HasSuffix(base, "_other") || strings.HasSuffix(base, "_windows") {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, f)
	}
	path := strings.TrimPrefix(strings.TrimPrefix(dir, "../.."), "/")
	pkg, err := doc.NewFromFiles(fset, files, "visor/"+path)
	require.NoError(t, err)
	fmt.Fprintf(out, "package %s\n", strings.TrimSuffix(pkg.ImportPath, "/"))
	line := func(node any) {
		var b bytes.Buffer
		require.NoError(t, (&printer.Config{Mode: printer.UseSpaces, Tabwidth: 1}).Fprint(&b, fset, node))
		for l := range strings.Lines(b.String()) {
			if words := strings.Fields(l); len(words) > 0 { // columns depend on comments
				fmt.Fprintf(out, "  %s\n", strings.Join(words, " "))
			}
		}
	}
	values := func(list []*doc.Value) {
		for _, v := range list {
			line(v.Decl)
		}
	}
	funcs := func(list []*doc.Func) {
		for _, f := range list {
			f.Decl.Body = nil
			line(f.Decl)
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	funcs(pkg.Funcs)
	for _, typ := range pkg.Types {
		line(typ.Decl)
		values(typ.Consts)
		values(typ.Vars)
		funcs(typ.Funcs)
		funcs(typ.Methods)
	}
}
