package policy_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"visor/decode/dnstapmsg"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/packettest"
	"visor/internal/wait"
)

func mkfifo(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	return path
}

func fifoTap(typ, key, path string) policy.Tap {
	return policy.Tap{Name: "wired", InputType: typ, Config: policy.Options{key: path, "allow_fifo": true}}
}

// TestFIFOWithoutWriter has named pipes without writers. They block neither the start and the end
// of a policy nor the end of the Manager.
func TestFIFOWithoutWriter(t *testing.T) {
	for typ, key := range map[string]string{"pcap": "pcap_file", "flow": "pcap_file", "dnstap": "dnstap_file"} {
		t.Run(typ, func(t *testing.T) {
			m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
			require.NoError(t, m.AddTap(fifoTap(typ, key, mkfifo(t))))
			for _, ends := range []func() error{func() error { return m.RemovePolicy("a") }, m.Close} {
				done := make(chan error, 1)
				go func() {
					p := policy.Policy{Name: "a", Input: policy.Input{Tap: "wired", InputType: typ}}
					_, err := m.AddPolicy(p)
					done <- err
				}()
				require.NoError(t, wait.Receive(t, done, "the start of the policy"))
				go func() { done <- ends() }()
				require.NoError(t, wait.Receive(t, done, "the end of the policy"))
			}
		})
	}
}

// TestFIFO reads a capture and a dnstap recording written after the policies started, the capture
// also with a filter.
func TestFIFO(t *testing.T) {
	frames := packets(10)
	wire, err := os.ReadFile(savePcap(t, t.TempDir(), "ten.pcap", frames))
	require.NoError(t, err)
	for _, tt := range []struct {
		name, typ, key string
		filter         policy.Options
		in             []byte
		want           uint64
	}{
		{"pcap", "pcap", "pcap_file", nil, wire, 10},
		{"filtered", "pcap", "pcap_file", policy.Options{"bpf": "udp"}, wire, 10},
		{"dnstap", "dnstap", "dnstap_file", nil, tapRecording(3), 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := mkfifo(t)
			m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
			defer m.Close()
			require.NoError(t, m.AddTap(fifoTap(tt.typ, tt.key, path)))
			p := counting("a")
			p.Input.InputType, p.Input.Filter = tt.typ, tt.filter
			r, err := m.AddPolicy(p)
			require.NoError(t, err)
			w, err := os.OpenFile(path, os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = w.Write(tt.in[:30]) // a part, and the rest later
			require.NoError(t, err)
			_, err = w.Write(tt.in[30:])
			require.NoError(t, err)
			wait.Until(t, func() bool { return r.Parts[0].Account().Analysed == tt.want })
			require.NoError(t, w.Close())
			wait.Receive(t, r.Parts[0].Ended(), "the end")
		})
	}
}

// TestFIFOIsNotForTheAPI checks that taps and policies from the API cannot use named pipes.
func TestFIFOIsNotForTheAPI(t *testing.T) {
	path := mkfifo(t)
	root, err := os.OpenRoot(filepath.Dir(path))
	require.NoError(t, err)
	defer root.Close()
	for _, byPolicy := range []bool{false, true} {
		m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), APIFiles: root})
		tap, p := fifoTap("pcap", "pcap_file", path), counting("a")
		tap.Posted = !byPolicy
		if byPolicy { // the tap names the pipe, and the policy asks for it
			delete(tap.Config, "allow_fifo")
			p.Posted, p.Input.Config = true, policy.Options{"allow_fifo": true}
		}
		require.NoError(t, m.AddTap(tap))
		_, err := m.AddPolicy(p)
		require.ErrorContains(t, err, "is a named pipe, and only regular files are read")
		require.NoError(t, m.Close())
	}
}

// tapRecording returns a Frame Streams file of n messages.
func tapRecording(n int) []byte {
	const contentType = "protobuf:dnstap.Dnstap"
	number := func(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) }
	b := number(nil, 0) // a control frame
	b = number(b, 12+len(contentType))
	b = number(b, 2) // START
	b = number(b, 1) // the content type
	b = append(number(b, len(contentType)), contentType...)
	for i := range n {
		m := dnstapmsg.Message{
			Type: dnstapmsg.ClientQuery, IPv4: true, Protocol: dnstapmsg.UDP, QueryAddr: []byte{192, 0, 2, 1},
			QueryTime: time.Unix(1_700_000_000, 0).UnixNano(), Query: packettest.Query(uint16(i), "a.example", 1),
		}
		body := m.AppendTo(nil)
		b = append(number(b, len(body)), body...)
	}
	return b
}
