package netns

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const knotConfig = `
server:
    rundir: "DIR"
    listen: ADDRESS@53
    user: root:root
    udp-workers: 8
database:
    storage: "DIR"
mod-dnstap:
  - id: tap
    sink: "unix:SOCKET"
    log-queries: on
    log-responses: on
template:
  - id: default
    storage: "DIR"
    MODULE
zone:
  - domain: example.com
    file: "DIR/zone"
    zonefile-load: whole
    journal-content: none
`

const knotZone = `$ORIGIN example.com.
$TTL 3600
@   SOA ns host 1 3600 600 86400 3600
@   NS  ns
ns  A   192.0.2.53
www A   192.0.2.1
`

// questions are those of Perform: an answer, a name that does not exist, and a zone.
const questions = "www.example.com A\nnosuch.example.com AAAA\nexample.com NS\n"

// Knot runs knot in a neighbour until the end of the test, for example.com at an address, and returns when it listens. If socket is not
// empty it tells that of its queries and responses by dnstap.
func Knot(t testing.TB, neighbour, address, socket string) {
	dir, module := t.TempDir(), ""
	if socket != "" {
		module = "global-module: mod-dnstap/tap"
	}
	config := strings.NewReplacer("DIR", dir, "ADDRESS", address, "SOCKET", socket, "MODULE", module).Replace(knotConfig)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "zone"), []byte(knotZone), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "knot.conf"), []byte(config), 0o644))
	cmd := Command(neighbour, "knotd", "-c", filepath.Join(dir, "knot.conf"))
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort(address, "53"))
		return err == nil && conn.Close() == nil
	}, 20*time.Second, 50*time.Millisecond)
	time.Sleep(500 * time.Millisecond) // it connects to the socket, and does not say when
}

// Perform lets dnsperf ask a server n questions, rate a second. The function that it returns waits for its counts. Above some thousands a
// second knot and bind9 throw away what they have to tell by dnstap: their own queue is full (512 messages per thread, libfstrm's
// default), which a starved machine shows at 20,000.
func Perform(t testing.TB, server string, n, rate int) (wait func() (sent, completed uint64)) {
	file := filepath.Join(t.TempDir(), "questions")
	require.NoError(t, os.WriteFile(file, []byte(questions), 0o644))
	cmd := exec.Command("dnsperf", "-s", server, "-d", file, "-n", strconv.Itoa(n/3), "-c", "32", "-Q", strconv.Itoa(rate))
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
