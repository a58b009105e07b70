// Package netns runs tests in a private network namespace, where they may create interfaces and
// start servers:
//
//	func TestInNamespace(t *testing.T) { netns.Run(t, "dnsperf") }
//
//	func TestNSServer(t *testing.T) {
//		netns.Inside(t)
//		…
//	}
//
// It needs root on Linux, and the ip command (Debian: iproute2). Elsewhere tests are skipped with a
// message.
package netns

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"visor/internal/wait"

	"github.com/stretchr/testify/require"
)

// inside names the variable of a test program that runs in the namespace.
const inside = "VISOR_TEST_NAMESPACE"

// Run creates a namespace and runs in it the tests of the package whose names begin with TestNS. It
// fails if one of them fails, and skips the test if a program is missing. It returns their output.
func Run(t *testing.T, programs ...string) string {
	if os.Getenv(inside) != "" {
		t.Skip("skipped: in the namespace already")
	}
	if testing.Short() {
		t.Skip("skipped: -short leaves out network namespaces")
	}
	if os.Geteuid() != 0 {
		t.Skip("skipped: network namespaces need root")
	}
	for _, program := range append([]string{"ip"}, programs...) {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: the command %s is missing", program)
		}
	}
	name := fmt.Sprintf("visor-test-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("skipped: no network namespaces here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	cmd := exec.Command("ip", "netns", "exec", name, os.Args[0], "-test.run", "^TestNS", "-test.v", "-test.timeout", "9m")
	cmd.Env = append(os.Environ(), inside+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
	return string(out)
}

// Inside skips tests that Run does not run.
func Inside(t testing.TB) {
	if os.Getenv(inside) == "" {
		t.Skip("skipped: another test runs it, in a network namespace")
	}
}

// IP runs the ip command.
func IP(t testing.TB, args ...string) {
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %v: %s", args, out)
}

// The interfaces of Pair.
const (
	Sender   = "visor-a"
	Receiver = "visor-b"
)

// Pair creates a pair of interfaces until the end of the test. Frames sent to one arrive at the
// other, and the pair carries no other traffic.
func Pair(t testing.TB) {
	IP(t, "link", "add", Sender, "type", "veth", "peer", "name", Receiver)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", Sender).Run() })
	for _, name := range []string{Sender, Receiver} {
		require.NoError(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0o644))
		IP(t, "link", "set", name, "up")
	}
	Carries(t, Sender)
	Carries(t, Receiver)
}

// Carries waits until an interface is in operation. Before that, which on a busy machine takes a
// second after it is up, the kernel drops its frames silently.
func Carries(t testing.TB, name string) {
	wait.Until(t, func() bool {
		i, err := net.InterfaceByName(name)
		require.NoError(t, err)
		return i.Flags&net.FlagRunning != 0
	}, func() string { return name + " is not running" })
}

// Neighbour creates another namespace until the end of the test, with its loopback up. [Command]
// runs programs in it.
func Neighbour(t testing.TB) (name string) {
	name = fmt.Sprintf("visor-test-%d-b", os.Getpid())
	IP(t, "netns", "add", name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	IP(t, "-n", name, "link", "set", "lo", "up")
	return name
}

// Command returns a program that runs in a neighbour.
func Command(neighbour string, program ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", neighbour}, program...)...)
}

// Cable connects an interface here and one in a neighbour. Each has the given address, in CIDR
// form; without addresses the cable carries no other traffic.
func Cable(t testing.TB, here, there, neighbour string, addresses ...string) {
	IP(t, "link", "add", here, "type", "veth", "peer", "name", there, "netns", neighbour)
	// the kernel removes it with the neighbour, but only some time after that
	t.Cleanup(func() { _ = exec.Command("ip", "link", "delete", here).Run() })
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+here+"/disable_ipv6", []byte("1"), 0o644))
	out, err := Command(neighbour, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/"+there+"/disable_ipv6").CombinedOutput()
	require.NoError(t, err, "%s", out)
	if len(addresses) == 2 {
		IP(t, "address", "add", addresses[0], "dev", here)
		IP(t, "-n", neighbour, "address", "add", addresses[1], "dev", there)
	}
	IP(t, "link", "set", here, "up")
	IP(t, "-n", neighbour, "link", "set", there, "up")
	Carries(t, here)
}
