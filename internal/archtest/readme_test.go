package archtest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readme returns README.md and changes to its folder.
func readme(t *testing.T) string {
	t.Chdir("../..")
	b, err := os.ReadFile("README.md")
	require.NoError(t, err)
	return string(b)
}

// block returns the first code block of text in that language.
func block(t *testing.T, text, language string) string {
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(text)
	require.NotNil(t, found, language)
	return found[1]
}

func skipBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out building programs")
	}
}

// TestReadmeProgram runs the program in README.md.
func TestReadmeProgram(t *testing.T) {
	skipBuild(t)
	text := readme(t)
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(block(t, text, "go")), 0o600))
	out, err := exec.Command("go", "run", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, text, "`"+strings.TrimSpace(string(out))+"`")
}

// TestReadmePicture runs the first command of README.md: every line of the picture is in its
// output.
func TestReadmePicture(t *testing.T) {
	skipBuild(t)
	text := readme(t)
	command := regexp.MustCompile(`(?m)^    go (run ./examples/visor-reader .*)$`).FindStringSubmatch(text)
	require.NotNil(t, command)
	args := append(strings.Fields(command[1]), "--format", "text")
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(block(t, text, "text")) {
		require.Contains(t, string(out), line)
	}
}

// TestReadmeNames: the packages and names that README.md recommends exist, and go list,
// to which it refers, describes each package.
func TestReadmeNames(t *testing.T) {
	text := readme(t)
	for _, m := range regexp.MustCompile("`((?:capture|decode|sketch|window|geo|handler|export)[a-z/0-9]*)(?:\\.([A-Z][\\w.]*))?`").FindAllStringSubmatch(text, -1) {
		require.DirExists(t, m[1])
		if m[2] != "" {
			names, _ := namesOf(t, m[1])
			require.True(t, names[m[2]], "package %s has no %s", m[1], m[2])
		}
	}
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.ImportPath, "visor/internal/") {
			require.NotEmpty(t, p.Doc, "%s has no package comment", p.ImportPath)
		}
	}
}

// TestExamplesNamed: examples/README.md lists every example.
func TestExamplesNamed(t *testing.T) {
	readme(t)
	list, err := os.ReadFile("examples/README.md")
	require.NoError(t, err)
	dirs, err := filepath.Glob("examples/*/README.md")
	require.NoError(t, err)
	require.Greater(t, len(dirs), 5)
	for _, dir := range dirs {
		name := filepath.Base(filepath.Dir(dir))
		require.Contains(t, string(list), "["+name+"]("+name+")")
	}
}

// TestPageLinks: links between pages lead to files, and to headings in them.
func TestPageLinks(t *testing.T) {
	readme(t)
	links := regexp.MustCompile(`\]\(([^):#]*)(#[^)]*)?\)`)
	headings := regexp.MustCompile(`(?m)^#+ (.*)$`)
	mark := regexp.MustCompile(`[^\p{L}\p{N} -]`)
	seen := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range links.FindAllStringSubmatch(string(text), -1) {
			target := path
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(path), m[1])
			}
			seen++
			info, err := os.Stat(target)
			if !assert.NoError(t, err, path) || m[2] == "" || info.IsDir() {
				continue
			}
			page, err := os.ReadFile(target)
			require.NoError(t, err)
			var anchors []string
			for _, h := range headings.FindAllStringSubmatch(string(page), -1) {
				anchors = append(anchors, "#"+strings.ReplaceAll(mark.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
			}
			assert.Contains(t, anchors, m[2], path)
		}
		return nil
	}))
	require.Greater(t, seen, 30)
}
