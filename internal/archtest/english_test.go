package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// english counts the faults of each kind that the comments of a directory may have.
type english struct {
	Words int // banned words
	Long  int // lines that end beyond column 100
}

// allowed holds the number of faults that each top directory still has. Numbers may only be
// lowered.
var allowed = map[string]english{
	".":          {2, 7},
	"benchmarks": {0, 0},
	"capture":    {0, 4},
	"decode":     {0, 0},
	"examples":   {84, 74},
	"export":     {0, 0},
	"geo":        {0, 0},
	"handler":    {0, 0},
	"internal":   {0, 0},
	"sketch":     {0, 0},
	"window":     {0, 0},
}

// columns is the greatest width of a line with a comment. A tab counts as four columns.
const columns = 100

// banned are the words that comments avoid. The search ignores the phrase "no longer".
var banned = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	"tells?", "told", "says?", "said", "knows?", "gives?",
	"who", "whom", "whoever", "somebody", "nobody",
	"(is|are|was|were) no",
	"likewise", "anew", "for ever", "of which", "as far as", "besides", "but for", "so many",
	"(that|those) of", "of (its|their) own", "the reference",
}, "|") + `)\b`)

// quoted matches quotations: messages and names of other programs keep their words.
var quoted = regexp.MustCompile("\"[^\"]*\"|`[^`]*`")

// faults lists the places that break a rule, as "file:line: fault".
type faults struct{ Words, Long []string }

// check returns the faults in the comments of a Go file.
func check(name string, src []byte) (out faults, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil || ast.IsGenerated(file) {
		return faults{}, err
	}
	lines := strings.Split(string(src), "\n")
	for _, group := range file.Comments {
		if strings.HasPrefix(group.Text(), "Output:") {
			continue // the output of an example is not prose
		}
		from, to := fset.Position(group.Pos()).Line, fset.Position(group.End()).Line
		for _, word := range banned.FindAllString(prose(group), -1) {
			out.Words = append(out.Words, fmt.Sprintf("%s:%d: %s", name, from, strings.ToLower(word)))
		}
		for n := from; n <= to; n++ {
			line := strings.ReplaceAll(lines[n-1], "\t", "    ")
			if utf8.RuneCountInString(line) > columns && !strings.HasPrefix(line, "//go:") {
				out.Long = append(out.Long, fmt.Sprintf("%s:%d: %d columns", name, n, utf8.RuneCountInString(line)))
			}
		}
	}
	return out, nil
}

// declared matches a leading word in lower case, usually the name of the declaration.
var declared = regexp.MustCompile(`^[a-z]\w* `)

// prose returns the sentences of a comment in one line, without code blocks and quotations.
func prose(group *ast.CommentGroup) string {
	var b strings.Builder
	for line := range strings.Lines(group.Text()) {
		if !strings.HasPrefix(line, "\t") {
			b.WriteString(line)
		}
	}
	text := declared.ReplaceAllString(strings.Join(strings.Fields(b.String()), " "), "")
	return strings.ReplaceAll(quoted.ReplaceAllString(text, ""), "no longer", "")
}

// TestEnglish counts the faults in the comments of each top directory and fails above the allowed
// number. Nested modules are included.
func TestEnglish(t *testing.T) {
	found := map[string]faults{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel("../..", path)
		f, err := check(filepath.ToSlash(name), src)
		top, _, nested := strings.Cut(filepath.ToSlash(name), "/")
		if !nested {
			top = "."
		}
		all := found[top]
		found[top] = faults{append(all.Words, f.Words...), append(all.Long, f.Long...)}
		return err
	}))
	for dir, f := range found {
		t.Run(dir, func(t *testing.T) {
			limit, listed := allowed[dir]
			require.True(t, listed, "%s is missing in the table", dir)
			compare(t, "banned words", f.Words, limit.Words)
			compare(t, "long comment lines", f.Long, limit.Long)
		})
	}
}

// compare fails if there are more than limit faults, and lists them.
func compare(t *testing.T, kind string, found []string, limit int) {
	switch {
	case len(found) > limit:
		t.Errorf("%d %s, %d allowed:\n%s", len(found), kind, limit, strings.Join(found, "\n"))
	case len(found) < limit:
		t.Logf("%d %s, %d allowed: lower the number in the table", len(found), kind, limit)
	}
}

// TestEnglishCheck shows which comments break a rule, and which do not.
func TestEnglishCheck(t *testing.T) {
	for comment, words := range map[string]int{
		"// Len returns the number of keys.":                0,
		"// Len tells how many keys there are.":             1,
		"// Error is that\n// of [TopK.Error].":             1,
		"// tell counts a loss.":                            0,
		"// Whoever sends it knows nobody.":                 3,
		"// It is no list, and it is no longer empty.":      1,
		"// It prints \"who told you\".":                    0,
		"// It works:\n//\n//\tfor range so many {":         0,
		"// Output: nobody":                                 0,
		"/* Likewise in\nblock comments. */":                1,
		"// Code generated by a tool; DO NOT EDIT.\n// Who": 0,
	} {
		f, err := check("a.go", []byte(comment+"\npackage a\n"))
		require.NoError(t, err)
		require.Len(t, f.Words, words, comment)
	}
	f, err := check("a.go", []byte("package a\n\nvar x int // "+strings.Repeat("é", 87)+"\nvar y int // "+strings.Repeat("é", 88)+"\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"a.go:4: 101 columns"}, f.Long)
}
