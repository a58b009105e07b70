package dns_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// contentTruth counts what messages contain by plain means: another library's parser, and maps.
type contentTruth struct {
	counts  map[string]uint64
	sources map[string]map[string]bool
}

func newContentTruth() *contentTruth {
	return &contentTruth{counts: map[string]uint64{}, sources: map[string]map[string]bool{"4": {}, "6": {}, "64": {}}}
}

// message counts a message that src sent.
func (w *contentTruth) message(t *testing.T, msg []byte, tcp bool, src string) {
	var m dnsmessage.Message
	require.NoError(t, m.Unpack(msg))
	h := m.Header
	kind, version, transport := "queries", "ipv4", "udp"
	if h.Response {
		kind = "replies"
	}
	if src[0] == '[' {
		version = "ipv6"
	}
	if tcp {
		transport = "tcp"
	}
	w.counts[fmt.Sprintf("%s %s %s", transport, kind, version)]++
	w.counts[fmt.Sprintf("%s %s size %d", transport, kind, len(msg)/16*16)]++
	w.counts[fmt.Sprint("opcode ", dnsmsg.Opcode(h.OpCode))]++
	w.bits(h)
	if len(m.Questions) > 0 {
		q := m.Questions[0]
		w.counts[fmt.Sprint("class ", dnsmsg.Class(q.Class))]++
		if !h.Response {
			name := strings.Trim(q.Name.String(), ".")
			labels := 0
			if name != "" {
				labels = strings.Count(name, ".") + 1
			}
			w.counts[fmt.Sprint("labels ", labels)]++
		}
	}
	code := h.RCode
	for _, r := range m.Additionals {
		if opt, ok := r.Body.(*dnsmessage.OPTResource); ok {
			w.counts["edns "+kind]++
			code = r.Header.ExtendedRCode(code)
			w.edns(&r.Header, opt, kind, m.Questions)
			break
		}
	}
	if h.Response {
		w.counts[fmt.Sprint("rcode ", dnsmsg.RCode(code))]++
		return
	}
	addr := packettest.UDP(0, src, src, nil).Data
	if version == "ipv4" {
		w.sources["4"][string(addr[26:30])] = true
	} else {
		w.sources["6"][string(addr[22:38])] = true
		w.sources["64"][string(addr[22:30])] = true
	}
}

func (w *contentTruth) bits(h dnsmessage.Header) {
	for name, is := range map[string]bool{
		"TC": h.Response && h.Truncated, "AA": h.Response && h.Authoritative, "AD": h.Response && h.AuthenticData,
		"CD": !h.Response && h.CheckingDisabled, "RD": !h.Response && h.RecursionDesired,
	} {
		if is {
			w.counts[name]++
		}
	}
}

func (w *contentTruth) edns(h *dnsmessage.ResourceHeader, opt *dnsmessage.OPTResource, kind string, qs []dnsmessage.Question) {
	seen := map[uint16]bool{}
	for _, o := range opt.Options {
		if kind == "queries" && !seen[o.Code] {
			w.counts[fmt.Sprint("option ", o.Code)]++
			seen[o.Code] = true
		}
		if kind == "replies" && o.Code == 15 && len(o.Data) >= 2 {
			code := dnsmsg.ExtendedError(binary.BigEndian.Uint16(o.Data)).String()
			w.counts["ede "+code]++
			if len(qs) > 0 {
				w.counts["failed "+code+" "+strings.ToLower(strings.TrimSuffix(qs[0].Name.String(), "."))]++
			}
		}
	}
	if kind == "queries" {
		w.counts[fmt.Sprint("offers ", uint16(h.Class))]++
		if h.DNSSECAllowed() {
			w.counts["DO"]++
		}
	}
}

// require compares the metrics with the truth.
func (w *contentTruth) require(t *testing.T, p *handler.Pipeline, prefix string, got *dns.Content) {
	c := func(name string) uint64 { return w.counts[name] }
	e, b, tr := &got.EDNS, &got.Bits, &got.Traffic
	require.Equal(t,
		[]uint64{c("edns queries"), c("edns replies"), c("DO"), c("option 10"), c("option 3"), c("option 8"), 0},
		[]uint64{e.Queries.Value(), e.Replies.Value(), e.DO.Value(), e.Cookies.Value(), e.NSID.Value(), e.Subnets.Value(), e.Versions.Value()})
	require.Equal(t, []uint64{c("TC"), c("AA"), c("AD"), c("CD"), c("RD")},
		[]uint64{b.TC.Value(), b.AA.Value(), b.AD.Value(), b.CD.Value(), b.RD.Value()})
	for name, v := range map[string]*dns.Volume{"udp": &tr.UDP, "tcp": &tr.TCP} {
		require.Equal(t, []uint64{c(name + " queries ipv4"), c(name + " queries ipv6"), c(name + " replies ipv4"), c(name + " replies ipv6")},
			[]uint64{v.QueriesIPv4.Value(), v.QueriesIPv6.Value(), v.RepliesIPv4.Value(), v.RepliesIPv6.Value()}, name)
		for kind, sizes := range map[string]map[int]uint64{"queries": maps.Collect(v.QuerySizes.Bins()), "replies": maps.Collect(v.ReplySizes.Bins())} {
			for size, n := range sizes {
				require.Equal(t, c(fmt.Sprintf("%s %s size %d", name, kind, size)), n, "%s %s %d", name, kind, size)
			}
		}
		require.Equal(t, c(name+" queries ipv4")+c(name+" queries ipv6"), v.QuerySizes.Count())
		require.Equal(t, c(name+" replies ipv4")+c(name+" replies ipv6"), v.ReplySizes.Count())
	}
	for list, kind := range map[string]string{
		"top_opcode": "opcode", "top_class": "class", "traffic_rcodes": "rcode", "top_ede": "ede", "top_edns_udp_size": "offers",
	} {
		w.requireList(t, list, kind, everything(t, p, prefix+list))
	}
	for labels, n := range b.Labels.Bins() {
		require.Equal(t, c(fmt.Sprint("labels ", labels)), n, "%d labels", labels)
	}
	queries := c("udp queries ipv4") + c("udp queries ipv6") + c("tcp queries ipv4") + c("tcp queries ipv6")
	require.Equal(t, []uint64{queries, queries}, []uint64{b.Labels.Count(), b.Bytes.Count()})
	require.Equal(t, []uint64{uint64(len(w.sources["4"])), uint64(len(w.sources["6"])), uint64(len(w.sources["64"]))},
		[]uint64{tr.IPv4.Estimate(), tr.IPv6.Estimate(), tr.IPv6by.Estimate()})
	for code, failed := range e.EDE.All() {
		for _, entry := range failed.Names.Top(10) {
			require.Equal(t, c("failed "+code+" "+entry.Key.String()), entry.Lower, "%s of %s", code, entry.Key)
		}
	}
}

// requireList compares a list with all counts of a kind.
func (w *contentTruth) requireList(t *testing.T, list, kind string, got map[string]uint64) {
	want := map[string]uint64{}
	for name, n := range w.counts {
		if rest, ok := strings.CutPrefix(name, kind+" "); ok {
			want[rest] = n
		}
	}
	require.Equal(t, want, got, list)
}

// everything returns a list with all of its entries.
func everything(t *testing.T, p *handler.Pipeline, prom string) map[string]uint64 {
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	out := map[string]uint64{}
	for _, v := range snap.Modules[0].Values() {
		if v.Prom == prom {
			for _, it := range v.Items {
				out[it.Name] += it.Estimate
			}
		}
	}
	return out
}

// TestContent compares both versions with another parser and maps, on messages of all kinds.
func TestContent(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	truth := newContentTruth()
	var frames []capture.Frame
	for i := range 3000 {
		query, reply := randomMessages(t, rnd, uint16(i))
		from, to := fmt.Sprintf("198.51.100.%d:%d", rnd.IntN(50), 1024+i), server
		if rnd.IntN(3) == 0 {
			from, to = fmt.Sprintf("[2001:db8:%d::%d]:%d", rnd.IntN(20), rnd.IntN(4), 1024+i), "[2001:db8:53::1]:53"
		}
		at := time.Duration(i) * time.Millisecond
		tcp := rnd.IntN(10) == 0
		truth.message(t, query, tcp, from)
		truth.message(t, reply, tcp, to)
		if !tcp {
			frames = append(frames, packettest.UDP(at, from, to, query), packettest.UDP(at, to, from, reply))
			continue
		}
		asked, answered := packettest.Stream(query), packettest.Stream(reply)
		frames = append(frames,
			packettest.TCP(at, from, to, decode.FlagSYN, 99, 0, nil),
			packettest.TCP(at, to, from, decode.FlagSYN|decode.FlagACK, 499, 100, nil),
			packettest.TCP(at, from, to, decode.FlagACK, 100, 500, asked),
			packettest.TCP(at, to, from, decode.FlagACK, 500, 100+uint32(len(asked)), answered))
	}
	m, p := run(t, dns.Config{Settings: handler.Settings{TopN: 1000}}, frames...)
	truth.require(t, p, "dns_", &m.Content)
	m2, p2 := runTransactions(t, dns.Config{Settings: handler.Settings{TopN: 1000}}, frames...)
	require.Equal(t, 1, m2.Directions.Len(), "all queries come in, and all replies go out")
	truth.require(t, p2, "dns_", &m2.Directions.Find("in").Content)
	require.LessOrEqual(t, m.EDNS.EDE.Len(), 9, "eight codes and others")
}

// randomMessages returns a query and its reply with random headers, records and options.
func randomMessages(t *testing.T, rnd *rand.Rand, id uint16) (query, reply []byte) {
	names := []string{".", "com.", "example.com.", "www.Example.com.", "a.b.c.d.example.org."}
	q := dnsmessage.Question{
		Name: dnsmessage.MustNewName(names[rnd.IntN(len(names))]), Type: dnsmessage.TypeA,
		Class: []dnsmessage.Class{1, 1, 1, 3, 255}[rnd.IntN(5)],
	}
	flip := func() bool { return rnd.IntN(2) == 0 }
	build := func(response bool) []byte {
		m := dnsmessage.Message{Questions: []dnsmessage.Question{q}, Header: dnsmessage.Header{
			ID: id, Response: response, OpCode: []dnsmessage.OpCode{0, 0, 0, 4, 5}[rnd.IntN(5)], Authoritative: flip(), Truncated: flip(),
			RecursionDesired: flip(), AuthenticData: flip(), CheckingDisabled: flip(), RCode: dnsmessage.RCode(rnd.IntN(6)),
		}}
		if response {
			for range rnd.IntN(4) * rnd.IntN(20) * rnd.IntN(4) {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: 1}, Body: &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", rnd.IntN(60))}},
				})
			}
		}
		if rnd.IntN(3) > 0 {
			m.Additionals = append(m.Additionals, randomOPT(t, rnd, response))
		}
		b, err := m.Pack()
		require.NoError(t, err)
		return b
	}
	return build(false), build(true)
}

// randomOPT returns an OPT record with random options.
func randomOPT(t *testing.T, rnd *rand.Rand, response bool) dnsmessage.Resource {
	var h dnsmessage.ResourceHeader
	code := dnsmessage.RCode(0)
	if response && rnd.IntN(5) == 0 {
		code = dnsmessage.RCode(rnd.IntN(64) << 4)
	}
	require.NoError(t, h.SetEDNS0([]int{512, 1232, 1232, 4096}[rnd.IntN(4)], code, rnd.IntN(2) == 0))
	var opt dnsmessage.OPTResource
	for range rnd.IntN(4) {
		o := dnsmessage.Option{Code: []uint16{3, 8, 10, 12, 15}[rnd.IntN(5)], Data: []byte{0, []byte{3, 6, 6, 15}[rnd.IntN(4)], 'x'}}
		opt.Options = append(opt.Options, o)
	}
	return dnsmessage.Resource{Header: h, Body: &opt}
}

// TestErrorsKept has replies with all extended errors: their names are in at most eight lists, and
// the list of others.
func TestErrorsKept(t *testing.T) {
	var frames []capture.Frame
	for code := range 100 {
		q := packettest.Query(uint16(code), fmt.Sprintf("n%d.example", code), typeA, []byte{0, 15, 0, 2, 0, byte(code)})
		q[2] |= 0x80
		frames = append(frames, packettest.UDP(0, server, client, q))
	}
	m, p := run(t, dns.Config{Settings: handler.Settings{TopN: 200}}, frames...)
	require.Len(t, everything(t, p, "dns_top_ede"), 100)
	require.Equal(t, 9, m.EDNS.EDE.Len())
	require.Equal(t, 92, m.EDNS.EDE.Find("other").Names.Len())
	require.Equal(t, []string{"Other", "Stale Answer"}, slices.DeleteFunc([]string{"Other", "Stale Answer"}, func(name string) bool {
		return m.EDNS.EDE.Find(name).Names.Len() != 1
	}))
}
