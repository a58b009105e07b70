package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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

// TestReadmePackages: the table of README.md names each package that others may import, and each
// example.
func TestReadmePackages(t *testing.T) {
	text := readme(t)
	_, table, found := strings.Cut(text, "| package | contents |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	named := make(map[string]bool)
	for _, row := range strings.Split(table, "\n| ")[1:] {
		cell, _, _ := strings.Cut(row, " |")
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			named[name[1]] = true
			require.DirExists(t, name[1])
		}
	}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "visor/")
		if name != "visor" && name != "benchmarks" && !strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, "export/schemas") {
			require.True(t, named[name], "%s is not in the table of packages", name)
		}
	}
}
