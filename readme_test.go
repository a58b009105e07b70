package visor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// block returns the first code block of README.md in that language.
func block(t *testing.T, language string) string {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, found, language)
	return string(found[1])
}

// TestReadmeProgram runs the program that README.md shows.
func TestReadmeProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(block(t, "go")), 0o600))
	out, err := exec.Command("go", "run", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "`"+strings.TrimSpace(string(out))+"`")
}

// TestReadmePicture runs the command that README.md begins with: every line of the picture is in its output.
func TestReadmePicture(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	command := regexp.MustCompile(`(?m)^    go (run ./examples/visor-reader .*)$`).FindSubmatch(readme)
	require.NotNil(t, command)
	args := append(strings.Fields(string(command[1])), "--format", "text")
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(block(t, "text")) {
		require.Contains(t, string(out), line)
	}
}
