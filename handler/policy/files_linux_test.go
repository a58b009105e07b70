package policy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/wait"
)

// savePcap writes a capture of some packets to a new file in dir.
func savePcap(t *testing.T, dir, name string, frames []capture.Frame) string {
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	w, err := pcapfile.NewWriter(f, pcapfile.WriterConfig{Link: frames[0].Link})
	require.NoError(t, err)
	for _, frame := range frames {
		require.NoError(t, w.WriteFrame(frame))
	}
	require.NoError(t, w.Flush())
	return path
}

func fileTap(path string, posted bool) policy.Tap {
	return policy.Tap{Name: "wired", InputType: "pcap", Config: policy.Options{"pcap_file": path}, Posted: posted}
}

// TestSpecialFiles checks that files which would block the Manager are refused: a named pipe
// without a writer, a device, a directory.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	for path, said := range map[string]string{pipe: "is a named pipe, and only regular files are read", "/dev/zero": "is a device", dir: "is a directory"} {
		for _, typ := range []string{"pcap", "flow", "dnstap"} {
			m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
			key := map[bool]string{true: "dnstap_file", false: "pcap_file"}[typ == "dnstap"]
			require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: typ, Config: policy.Options{key: path}}))
			p := policy.Policy{Name: "a", Input: policy.Input{Tap: "wired", InputType: typ}}
			_, err := m.AddPolicy(p)
			require.ErrorContains(t, err, said, typ)
			require.NoError(t, m.Close())
		}
	}
}

// TestPostedFiles checks that taps and policies from the API read only files below a directory,
// regardless of links and dots.
func TestPostedFiles(t *testing.T) {
	inside, outside := t.TempDir(), t.TempDir()
	good := savePcap(t, inside, "good.pcap", packets(10))
	secret := savePcap(t, outside, "secret.pcap", packets(10))
	require.NoError(t, os.Symlink(secret, filepath.Join(inside, "link.pcap")))
	root, err := os.OpenRoot(inside)
	require.NoError(t, err)
	defer root.Close()
	for _, tt := range []struct {
		root *os.Root
		path string
		said string
	}{
		{nil, good, "--api-files DIR"},
		{root, good, ""},
		{root, "good.pcap", ""},
		{root, secret, "is not below"},
		{root, "../" + filepath.Base(outside) + "/secret.pcap", "escapes"},
		{root, "link.pcap", "escapes"},
	} {
		// which of the two came over the API and names the file
		for _, byPolicy := range []bool{false, true} {
			m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), APIFiles: tt.root})
			tap, p := fileTap(tt.path, true), counting("a")
			if byPolicy {
				tap, p.Posted, p.Input.Config = fileTap(good, false), true, policy.Options{"pcap_file": tt.path}
			}
			require.NoError(t, m.AddTap(tap))
			r, err := m.AddPolicy(p)
			if tt.said != "" {
				require.ErrorContains(t, err, tt.said, tt.path)
			} else {
				require.NoError(t, err, tt.path)
				wait.Until(t, func() bool { return r.Parts[0].Account().Analysed == 10 })
			}
			require.NoError(t, m.Close())
		}
	}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	require.NoError(t, m.AddTap(fileTap(secret, false)))
	p := counting("a")
	p.Posted = true
	_, err = m.AddPolicy(p)
	require.NoError(t, err, "a policy of the API on a tap of the configuration file")
}

// TestFileErrorsShowNoBytes has a file that is not a capture. The error names the file and does not
// quote its bytes.
func TestFileErrorsShowNoBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shadow")
	require.NoError(t, os.WriteFile(path, []byte("root:$y$j9T$secret"), 0o600))
	for typ, key := range map[string]string{"pcap": "pcap_file", "flow": "pcap_file", "dnstap": "dnstap_file"} {
		m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
		require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: typ, Config: policy.Options{key: path}}))
		_, err := m.AddPolicy(policy.Policy{Name: "a", Input: policy.Input{Tap: "wired", InputType: typ}})
		require.Error(t, err)
		for _, bytes := range []string{"root", "726f", "72 6f", "0x72"} {
			require.NotContains(t, err.Error(), bytes)
		}
		require.NoError(t, m.Close())
	}
}

// TestFileShrinks truncates a file during reading. Its counts stay, and the input ends with an
// error.
func TestFileShrinks(t *testing.T) {
	dir := t.TempDir()
	path := savePcap(t, dir, "shrinks.pcap", packets(20_000))
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	require.NoError(t, m.AddTap(fileTap(path, false)))
	r, err := m.AddPolicy(counting("a"))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 1000))
	wait.Receive(t, r.Parts[0].Ended(), "the end")
	require.LessOrEqual(t, r.Parts[0].Account().Analysed, uint64(20_000))
}
