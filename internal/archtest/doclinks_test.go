package archtest

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docLink matches a link of a doc comment: [Name], [Type.Method], [pkg.Name] or [path/pkg.Name].
var docLink = regexp.MustCompile(`(?m)(?:^|[ (])\[\*?((?:[a-z][a-z0-9/]*\.)?[A-Z]\w*(?:\.[A-Z]\w*)?)\]`)

// TestDocLinks checks that links in comments of public packages lead to something: go doc shows the
// brackets of others.
func TestDocLinks(t *testing.T) {
	names := make(map[string]map[string]bool) // names of each package, by its path
	comments := make(map[string][]string)
	for _, dir := range publicPackages(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(dir, "../.."), "/")
		names[path], comments[path] = namesOf(t, dir)
	}
	for path, texts := range comments {
		for _, text := range texts {
			for _, m := range docLink.FindAllStringSubmatch(text, -1) {
				pkg, name := path, m[1]
				if head, rest, ok := strings.Cut(name, "."); ok && strings.ToLower(head[:1]) == head[:1] {
					pkg, name = head, rest
				}
				require.True(t, leads(names, pkg, name), "a comment of visor/%s has the link [%s], which leads to nothing", path, m[1])
			}
		}
	}
}

// leads reports whether a package has a name. The package has its whole path or the last element.
// Packages outside this module have all names.
func leads(names map[string]map[string]bool, pkg, name string) bool {
	inside := false
	for path, has := range names {
		if path == pkg || "visor/"+path == pkg || filepath.Base(path) == pkg {
			inside = true
			if has[name] {
				return true
			}
		}
	}
	return !inside
}

// namesOf returns the exported names of a package, with methods and fields behind the names of
// their types, and its comments.
func namesOf(t *testing.T, dir string) (names map[string]bool, comments []string) {
	fset := token.NewFileSet()
	var files []*ast.File
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, f)
			for _, c := range f.Comments {
				comments = append(comments, c.Text())
			}
		}
	}
	pkg, err := doc.NewFromFiles(fset, files, dir, doc.AllDecls)
	require.NoError(t, err)
	names = make(map[string]bool)
	funcs := func(prefix string, list []*doc.Func) {
		for _, f := range list {
			names[prefix+f.Name] = true
		}
	}
	values := func(list []*doc.Value) {
		for _, v := range list {
			for _, name := range v.Names {
				names[name] = true
			}
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	funcs("", pkg.Funcs)
	for _, typ := range pkg.Types {
		names[typ.Name] = true
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs)
		funcs(typ.Name+".", typ.Methods)
		ast.Inspect(typ.Decl, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok {
				for _, id := range f.Names {
					names[typ.Name+"."+id.Name] = true
				}
			}
			return true
		})
	}
	return names, comments
}
