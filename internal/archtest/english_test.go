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

// check returns the faults in the comments of a Go file, and in its strings unless it is a test.
func check(name string, src []byte) (out faults, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
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
	if !strings.HasSuffix(name, "_test.go") {
		out.Words = append(out.Words, checkStrings(fset, name, file)...)
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

// checkText returns the banned words of a Markdown file, outside of code and quotations.
func checkText(name string, src []byte) (out faults) {
	code := false
	for n, line := range strings.Split(string(src), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if code {
			continue
		}
		text := strings.ReplaceAll(quoted.ReplaceAllString(line, ""), "no longer", "")
		for _, word := range banned.FindAllString(text, -1) {
			out.Words = append(out.Words, fmt.Sprintf("%s:%d: %s", name, n+1, strings.ToLower(word)))
		}
	}
	return out
}

// checkStrings returns the banned words of the string literals in a Go file, which users see as
// help, errors and log lines. Names without spaces are not texts.
func checkStrings(fset *token.FileSet, name string, file *ast.File) (words []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING || !strings.Contains(lit.Value, " ") {
			return true
		}
		text := strings.ReplaceAll(strings.Join(strings.Fields(lit.Value), " "), "no longer", "")
		for _, word := range banned.FindAllString(text, -1) {
			at := fset.Position(lit.Pos()).Line
			words = append(words, fmt.Sprintf("%s:%d: %s in a string", name, at, strings.ToLower(word)))
		}
		return true
	})
	return words
}

// TestEnglish finds the faults in all comments, in Markdown files, and in the texts of programs.
// Nested modules are included, and the texts of tests are not.
func TestEnglish(t *testing.T) {
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" && filepath.Ext(path) != ".md":
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel("../..", path)
		name := filepath.ToSlash(rel)
		if filepath.Ext(path) == ".md" {
			report(t, checkText(name, src))
			return nil
		}
		f, err := check(name, src)
		report(t, f)
		return err
	}))
}

// report fails for each fault.
func report(t *testing.T, f faults) {
	for _, fault := range append(f.Words, f.Long...) {
		t.Error(fault)
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
	for name, words := range map[string]int{"a.go": 1, "a_test.go": 0} {
		f, err := check(name, []byte("package a\n\nvar x = \"it tells a lie\" + \"says\"\n"))
		require.NoError(t, err)
		require.Len(t, f.Words, words, name)
	}
	f, err := check("a.go", []byte("package a\n\nvar x int // "+strings.Repeat("é", 87)+"\nvar y int // "+strings.Repeat("é", 88)+"\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"a.go:4: 101 columns"}, f.Long)
}
