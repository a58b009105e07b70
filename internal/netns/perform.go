package netns

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// questions are the queries of Perform: an answer, a name that does not exist, and a zone.
const questions = "www.example.com A\nnosuch.example.com AAAA\nexample.com NS\n"

// Perform has dnsperf send n queries to a server, rate per second. The returned function waits for
// its counts. Above a few thousand per second, knot and bind9 drop dnstap messages because their
// queue is full (512 messages per thread, libfstrm's default). At most 20 queries are open, so that
// a busy machine does not catch up in a burst. dnsperf gets more options.
func Perform(t testing.TB, server string, n, rate int, more ...string) (wait func() (sent, completed uint64)) {
	file := filepath.Join(t.TempDir(), "questions")
	require.NoError(t, os.WriteFile(file, []byte(questions), 0o644))
	args := append(more, "-s", server, "-d", file, "-n", strconv.Itoa(n/3), "-c", "32", "-q", "20", "-Q", strconv.Itoa(rate))
	cmd := exec.Command("dnsperf", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	number := func(what string) uint64 {
		m := regexp.MustCompile(what + `:\s+(\d+)`).FindSubmatch(out.Bytes())
		require.NotNil(t, m, "%s in %s", what, out.String())
		n, err := strconv.ParseUint(string(m[1]), 10, 64)
		require.NoError(t, err)
		return n
	}
	return func() (sent, completed uint64) {
		require.NoError(t, cmd.Wait(), "%s", out.String())
		return number("Queries sent"), number("Queries completed")
	}
}
