package archtest

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inlined lists functions that run several times per packet. Their callers were measured with them
// inlined: a call costs 1 to 2 ns, and a packet has 200 to 300. Type arguments are left out.
var inlined = map[string][]string{
	"visor/decode": {"LayerSet.Has", "(*Decoder).ethernet", "be16", "be32", "(*NetSet).direction4"},
	"visor/decode/dnsmsg": {
		"Message.ID", "Message.Response", "Message.Opcode", "Message.RCode", "Message.Truncated", "Message.QDCount", "Message.ANCount",
		"Name.Key", "Name.Hash", "toLower",
	},
	"visor/decode/tcpstream": {"distance"},
	"visor/handler": {
		"(*Events).In", "(*Sampler).Deep", "secondOf", "second.Unix", "(*dnsPorts).has",
		// generic functions, which are compiled here
		"flowtable.(*Table).home", "flowtable.(*Table).find", "tcpstream.(*side).is",
	},
	"visor/handler/metric":  {"GroupSet.Has"},
	"visor/handler/network": {"(*front).admit", "(*sizes).count", "sketch.(*TopCounts).AddOne"},
	"visor/sketch":          {"(*Counter).Add", "(*table).home", "(*table).first"},
	"visor/sketch/hash64":   {"Mix", "(*Hasher).Uint64", "(*Hasher).IPv4", "(*Hasher).Slot", "sum.linear", "sum.nh"},
}

// TestInlining asks the compiler whether the functions of the hot path can be inlined, as the
// standard library does for net/netip. A function that outgrew the compiler's budget fails.
func TestInlining(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out compiling packages again")
	}
	args := []string{"build", "-gcflags=-m"}
	for path := range inlined {
		args = append(args, path)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	can, current := make(map[string]bool), ""
	types := regexp.MustCompile(`\[.*\]`)
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if path, ok := strings.CutPrefix(line, "# "); ok {
			current = path
		} else if _, name, ok := strings.Cut(line, ": can inline "); ok {
			if strings.Contains(name, "[") && !strings.Contains(name, "go.shape") {
				continue // only calls the function
			}
			can[current+" "+types.ReplaceAllString(name, "")] = true
		}
	}
	for path, names := range inlined {
		for _, name := range names {
			if !can[path+" "+name] {
				t.Errorf("%s: the compiler does not inline %s", path, name)
			}
		}
	}
}
