package tcpstream_test

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/ip4defrag"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"visor/decode/tcpstream"
	"visor/internal/sharedtest"
)

// framer cuts the messages of a DNS stream (RFC 1035, section 4.2.2) out of it.
type framer struct{ buf []byte }

func (f *framer) reset() { f.buf = f.buf[:0] }

// write adds b and returns how many messages it completed.
func (f *framer) write(b []byte) (messages int) {
	f.buf = append(f.buf, b...)
	for len(f.buf) >= 2 {
		n := 2 + int(binary.BigEndian.Uint16(f.buf))
		if n < 2+12 {
			f.reset()
			return messages
		}
		if len(f.buf) < n {
			return messages
		}
		messages++
		f.buf = f.buf[:copy(f.buf, f.buf[n:])]
	}
	return messages
}

// knownDifferences lists the files in which tshark counts other traffic as DNS over TCP, with
// visor's count and the reason.
var knownDifferences = map[string]int{
	"dns/suricata-verify-dns-over-http2-limit-input.pcap": 0, // all of it DNS over HTTP
	"dns/suricata-verify-dns_over_https.pcap":             0,
	"dns/suricata-verify-dns_over_https_POST.pcap":        0,
	"dns/suricata-verify-llmnr-tcp-input.pcap":            2, // LLMNR, which the truth leaves out
}

func TestCorpus(t *testing.T) {
	corpus := sharedtest.Dir(t, "corpus")
	for _, folder := range []string{"dns", "pktvisor", "tcp"} {
		files, err := filepath.Glob(filepath.Join(corpus, folder, "*.pcap*"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			name := folder + "/" + filepath.Base(file)
			t.Run(name, func(t *testing.T) {
				want := truth(t, filepath.Join(corpus, "truth", name+".json"))
				got, st := count(t, file)
				if got != want || st.Gaps > 0 || st.OutOfWindow > 0 {
					t.Logf("%d messages, tshark %d: %+v", got, want, st)
				}
				if known, ok := knownDifferences[name]; ok {
					require.Equal(t, known, got)
					return
				}
				require.GreaterOrEqual(t, got, want)
			})
		}
	}
}

// truth returns the number of DNS messages over TCP that tshark finds; of two methods, the higher
// number.
func truth(t *testing.T, file string) int {
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var v struct {
		DNS       struct{ TCP int } `json:"dns"`
		Reordered struct{ TCP int } `json:"dns_reordered"`
	}
	require.NoError(t, json.Unmarshal(b, &v))
	return max(v.DNS.TCP, v.Reordered.TCP)
}

type packetReader interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

// count returns the DNS messages over TCP in a file.
func count(t *testing.T, file string) (messages int, st tcpstream.Stats) {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var r packetReader
	if strings.HasSuffix(file, "ng") {
		r, err = pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	} else {
		r, err = pcapgo.NewReader(f)
	}
	require.NoError(t, err)

	a := tcpstream.New(tcpstream.Config[framer]{Release: (*framer).reset})
	drain := func() {
		for a.Next() {
			switch ev := a.Event(); ev.Kind {
			case tcpstream.Data:
				messages += ev.State.write(ev.Data)
			case tcpstream.Gap:
				ev.State.reset()
			}
		}
	}
	defrag := ip4defrag.NewIPv4Defragmenter()
	for {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		if seg, ok := segment(defrag, gopacket.NewPacket(data, r.LinkType(), gopacket.NoCopy), ci); ok {
			a.Feed(seg)
			drain()
		}
	}
	a.Flush()
	drain()
	require.Zero(t, a.Len())
	require.Zero(t, a.Buffered())
	return messages, a.Stats()
}

// segment returns the innermost TCP segment of p, if it is of a DNS port.
func segment(defrag *ip4defrag.IPv4Defragmenter, p gopacket.Packet, ci gopacket.CaptureInfo) (
	seg tcpstream.Segment, ok bool,
) {
	l, isV4 := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	if isV4 && (l.FragOffset > 0 || l.Flags&layers.IPv4MoreFragments != 0) {
		whole, err := defrag.DefragIPv4WithTimestamp(l, ci.Timestamp)
		if err != nil || whole == nil {
			return seg, false
		}
		buf := gopacket.NewSerializeBuffer()
		payload := gopacket.Payload(whole.Payload)
		if gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, whole, payload) != nil {
			return seg, false
		}
		p = gopacket.NewPacket(buf.Bytes(), layers.LayerTypeIPv4, gopacket.NoCopy)
	}
	var network gopacket.Flow
	var wire int
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			network, wire = l.NetworkFlow(), int(l.Length)-4*int(l.IHL)
		case *layers.IPv6:
			network, wire = l.NetworkFlow(), int(l.Length)
		case *layers.TCP:
			if !isDNSPort(l.SrcPort) && !isDNSPort(l.DstPort) {
				return seg, false
			}
			wire -= 4 * int(l.DataOffset)
			body := l.Payload
			if len(body) > wire { // padding
				body = body[:max(wire, 0)]
			}
			tcp := l.TransportFlow()
			seg = tcpstream.Segment{
				Key: network.FastHash()*31 + tcp.FastHash(), TimeNS: ci.Timestamp.UnixNano(),
				Payload: body, WireLen: wire, Seq: l.Seq, Ack: l.Ack, Flags: l.Contents[13],
			}
			src, dst := tcp.Endpoints()
			if c, d := network.Endpoints(); d.LessThan(c) || (c == d && dst.LessThan(src)) {
				seg.Dir = 1
			}
			return seg, true
		}
	}
	return seg, false
}

func isDNSPort(p layers.TCPPort) bool { return p == 53 || p == 5353 || p == 5355 || p == 53000 }
