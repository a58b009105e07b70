package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/internal/trafficgen"
)

// answers holds a part of the answer to each question of README.md, by the question's beginning.
var answers = map[string]string{
	"Is this spike malicious": "Random labels below victim.example",
	"Is this a random label":  `"kind":"random_labels"`,
	"Is it widely":            `"shares":[`,
	"What is still querying":  `"clients":`,
	"What does this client":   "109.181.35.191",
	"When did it begin":       "2026-01-01 00:00:10",
	"Are my servers slow":     "p50",
	"What happened":           "── DNS ",
}

// TestSymptoms runs each command of the section "From symptom to answer" over a capture of an
// attack.
func TestSymptoms(t *testing.T) {
	skipBuild(t)
	text := readme(t)
	dir := t.TempDir()
	cfg := trafficgen.RandomLabelAttack(20_000, 30)
	cfg.PPS = 500
	f, err := os.Create(filepath.Join(dir, "traffic.pcap"))
	require.NoError(t, err)
	_, err = trafficgen.WritePcap(f, cfg)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	program := filepath.Join(dir, "visor-reader")
	out, err := exec.Command("go", "build", "-o", program, "./examples/visor-reader").CombinedOutput()
	require.NoError(t, err, "%s", out)

	rows := regexp.MustCompile("(?m)^\\| (.*?) \\| `visor-reader (.*?)`").FindAllStringSubmatch(text, -1)
	require.Len(t, rows, len(answers))
	for _, row := range rows {
		cmd := exec.Command(program, strings.Fields(row[2])...)
		cmd.Dir = dir
		out, err := cmd.Output()
		require.NoError(t, err, row[2])
		want := ""
		for question, answer := range answers {
			if strings.HasPrefix(row[1], question) {
				want = answer
			}
		}
		require.NotEmpty(t, want, row[1])
		require.Contains(t, string(out), want, row[1])
	}
}
