package flow_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/collector"
	"visor/capture/filter"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/handler"
	"visor/handler/flow"
	"visor/handler/handlertest"
	"visor/handler/network"
	"visor/internal/netns"
	"visor/internal/trafficgen"
	"visor/internal/wait"
)

// TestSenders runs real exporters on replayed traffic.
func TestSenders(t *testing.T) { netns.Run(t, "softflowd", "pmacctd", "tcpreplay") }

const collectorAddr = "192.0.2.1"

// played is a capture with its counts in the net handler.
type played struct {
	path     string
	all, ip4 volume
}

// IP only, without Ethernet headers
type volume struct{ bytes, packets uint64 }

const ethernet = 14 // bytes of a header

// captures returns the captures to replay: generated traffic, and a foreign capture if available.
func captures(t *testing.T) (out []played) {
	own := filepath.Join(t.TempDir(), "own.pcap")
	_, err := trafficgen.WriteFile(own, trafficgen.VariedDNS(4000))
	require.NoError(t, err)
	paths := []string{own}
	if foreign := "../../../shared/corpus/pktvisor/dns_udp_tcp_random.pcap"; exists(foreign) {
		paths = append(paths, foreign)
	}
	for _, path := range paths {
		out = append(out, played{path, measure(t, path, "ip or ip6"), measure(t, path, "ip")})
	}
	return out
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// measure counts the packets of a capture that pass a filter, with the net handler.
func measure(t *testing.T, path, expr string) (sum volume) {
	file, err := pcapfile.Open(path)
	require.NoError(t, err)
	src, err := filter.NewSource(file, expr)
	require.NoError(t, err)
	h, err := network.New(network.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	snap, err := handlertest.Analyse(t, h, src).Bucket(0)
	require.NoError(t, err)
	m, module := network.From(snap), &snap.Modules[0]
	sum.packets = m.Total.Value()
	for sec := module.Start.Unix(); sec <= module.Start.Unix()+int64(module.Length.Seconds())+1; sec++ {
		sum.bytes += m.RateBytes.At(sec)
	}
	sum.bytes -= ethernet * sum.packets
	return sum
}

// TestNSSenders replays captures to exporters in another namespace, all at once. They export over a
// second cable. All bytes and packets arrive in the flow handler, without gaps in the sequence
// numbers.
func TestNSSenders(t *testing.T) {
	netns.Inside(t)
	neighbour := netns.Neighbour(t)
	netns.Cable(t, "play", "listen", neighbour)
	netns.Cable(t, "collect", "export", neighbour, collectorAddr+"/24", "192.0.2.2/24")
	for _, c := range captures(t) {
		wrong := play(t, neighbour, c)
		if len(wrong) > 0 {
			t.Logf("once more, since these reported other traffic than was played: %v", wrong)
			wrong = play(t, neighbour, c)
		}
		require.Empty(t, wrong)
	}
}

// play replays a capture to all exporters. It returns the exporters that reported other counts.
// Since sequence numbers show no gap, these exporters did not see packets, dropped them internally
// or counted one twice. On a busy machine pmacctd does that silently, so a mistake counts only if
// the same exporter repeats it.
func play(t *testing.T, neighbour string, c played) (wrong []string) {
	all := []*sender{
		startSender(t, "softflowd v5", softflowd(neighbour, "5")),
		startSender(t, "softflowd v9", softflowd(neighbour, "9")),
		startSender(t, "softflowd IPFIX", softflowd(neighbour, "10")),
		startSender(t, "pmacctd v9", pmacctd(neighbour, "nfprobe", "nfprobe_version: 9")),
		startSender(t, "pmacctd IPFIX", pmacctd(neighbour, "nfprobe", "nfprobe_version: 10")),
		startSender(t, "pmacctd sFlow", pmacctd(neighbour, "sfprobe", "sampling_rate: 1")),
	}
	// the programs do not report that they listen; their sockets are in the kernel's list
	wait.Until(t, func() bool {
		list, err := netns.Command(neighbour, "cat", "/proc/net/packet").Output()
		return err == nil && bytes.Count(list, []byte("\n")) > len(all)
	})
	time.Sleep(time.Second) // pmacctd's plugins start after that
	out, err := exec.Command("tcpreplay", "-q", "-i", "play", "--pps", "2000", c.path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	time.Sleep(4 * time.Second) // for what libpcap and the parts of pmacctd still hold
	for _, s := range slices.Backward(all) {
		if s.name == "softflowd IPFIX" {
			push(t) // only softflowd is left
		}
		if got, want := s.counts(t, c); got != want {
			flows := difference(sentFlows(t, c.path), s.received.reported())
			wrong = append(wrong, fmt.Sprintf("%s of %s: %+v, not %+v: %s: %s", s.name, filepath.Base(c.path), got, want, flows, tail(s.log.String())))
		} else {
			t.Logf("%s: %d packets of %d bytes", s.name, got.packets, got.bytes)
		}
	}
	return wrong
}

// push replays frames that are not IP. softflowd 1.1.0 has libpcap deliver packets in blocks of 128
// KiB. It misses packets in the last block until it is full.
func push(t *testing.T) {
	path := filepath.Join(t.TempDir(), "push.pcap")
	f, err := os.Create(path)
	require.NoError(t, err)
	w, err := pcapfile.NewWriter(f, pcapfile.WriterConfig{Link: decode.LinkEthernet})
	require.NoError(t, err)
	frame := make([]byte, 1400)
	frame[12], frame[13] = 0x88, 0xB5 // for local experiments (IEEE 802)
	for range 500 {
		require.NoError(t, w.WriteFrame(capture.Frame{TimeNS: 1e18, Data: frame, WireLen: uint32(len(frame)), Link: decode.LinkEthernet}))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
	out, err := exec.Command("tcpreplay", "-q", "-i", "play", "--pps", "2000", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	time.Sleep(time.Second)
}

// sender is an exporter with the pipeline that listens to it.
type sender struct {
	name     string
	program  *exec.Cmd
	end      func() error // makes it export all flows
	log      bytes.Buffer
	received *recorder
	pipeline *handler.Pipeline
	stop     context.CancelFunc
	done     chan error
}

// start starts a program that exports to a port of the collector. It also returns how to make the
// program export everything.
type start func(t *testing.T, port uint16) (program *exec.Cmd, end func() error)

func startSender(t *testing.T, name string, start start) *sender {
	src, err := collector.Listen(collector.Config{Address: collectorAddr + ":0"})
	require.NoError(t, err)
	h, err := flow.New(flow.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	s := &sender{name: name, received: &recorder{Source: src}, done: make(chan error)}
	s.pipeline, err = handler.NewPipeline(handler.Config{Sources: []capture.Source{s.received}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() { s.done <- s.pipeline.Run(ctx) }()
	s.program, s.end = start(t, src.Addr().Port())
	s.program.Stdout, s.program.Stderr = &s.log, &s.log
	require.NoError(t, s.program.Start())
	return s
}

// counts stops the exporter. It returns its reports, and the replayed traffic.
func (s *sender) counts(t *testing.T, c played) (got, want volume) {
	if s.end == nil {
		s.end = func() error { return s.program.Process.Signal(syscall.SIGTERM) }
	}
	require.NoError(t, s.end())
	_ = s.program.Wait()
	want = c.all
	switch s.name {
	case "softflowd v5": // supports IPv4 only
		want = c.ip4
	case "pmacctd sFlow": // its frame lengths include the frame check sequence
		want.bytes += (ethernet + 4) * want.packets
	}
	for begin := time.Now(); time.Since(begin) < 2*time.Second && got.packets < want.packets; time.Sleep(20 * time.Millisecond) {
		got = s.total(t)
	}
	s.stop()
	require.NoError(t, <-s.done)
	return got, want
}

// directed lists the exporters that report the point of observation. Each of their records counts
// for one interface. softflowd marks the second direction of a connection as egress.
var directed = []string{"softflowd v9", "softflowd IPFIX"}

// total returns the input of all interfaces of the exporter. For a directed one it adds their
// output.
func (s *sender) total(t *testing.T) (sum volume) {
	snap, err := s.pipeline.Bucket(0)
	require.NoError(t, err)
	for _, d := range flow.From(snap).Devices.All() {
		require.Zero(t, d.LostRecords.Value()+d.LostDatagrams.Value()+d.LostSets.Value()+d.Malformed.Value())
		for _, i := range d.Interfaces.All() {
			sum.bytes += i.InBytes.All.Value()
			sum.packets += i.InPackets.All.Value()
			if slices.Contains(directed, s.name) {
				sum.bytes += i.OutBytes.All.Value()
				sum.packets += i.OutPackets.All.Value()
			}
		}
	}
	return sum
}

func tail(log string) string {
	lines := strings.Split(log, "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

func softflowd(neighbour, version string) start {
	return func(t *testing.T, port uint16) (*exec.Cmd, func() error) {
		dir := t.TempDir()
		control := filepath.Join(dir, "ctl")
		program := netns.Command(neighbour, "softflowd", "-d", "-i", "listen", "-6", "-v", version, "-m", "100000", "-B", "33554432",
			"-p", filepath.Join(dir, "pid"), "-c", control, "-n", fmt.Sprintf("%s:%d", collectorAddr, port))
		return program, exec.Command("softflowctl", "-c", control, "shutdown").Run
	}
}

func pmacctd(neighbour, plugin, setting string) start {
	return func(t *testing.T, port uint16) (*exec.Cmd, func() error) {
		path := filepath.Join(t.TempDir(), "pmacctd.conf")
		conf := []string{
			"daemonize: false", "pcap_interface: listen", "aggregate: src_host, dst_host, src_port, dst_port, proto, tos",
			"plugins: " + plugin, plugin + fmt.Sprintf("_receiver: %s:%d", collectorAddr, port), setting, "nfprobe_maxflows: 100000",
			"pmacctd_pipe_size: 33554432", "plugin_pipe_size: 33554432", "",
		}
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(conf, "\n")), 0o600))
		return netns.Command(neighbour, "pmacctd", "-f", path), nil
	}
}
