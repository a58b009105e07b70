package compat_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/internal/racetest"
	"visor/internal/trafficgen"
)

// clientFields are tshark's fields of the clients and servers of messages.
var clientFields = []string{
	"frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport",
	"frame.len", "frame.cap_len", "dns.id", "dns.flags.response", "dns.flags.rcode", "dns.flags.truncated", "dns.qry.name", "dns.qry.type", "dns.length", "udp.length",
}

// transactionTimeout is how long queries wait for their reply.
const transactionTimeout = 5 * time.Second

// TestTruthClients compares the counts by client, by subnet and by server with exact maps that are
// made of tshark's fields, on all captures of DNS in which both find the same messages.
func TestTruthClients(t *testing.T) {
	racetest.SkipLong(t)
	generated := filepath.Join(t.TempDir(), "generated.pcap")
	_, err := trafficgen.WriteFile(generated, trafficgen.VariedDNS(4000))
	require.NoError(t, err)
	files := append(contentCaptures(t), generated)
	compared, messages, sums := 0, uint64(0), map[string]int{}
	for _, file := range files {
		lines, ok := tsharkFields(t, file, "dns && !icmp && !icmpv6", clientFields)
		if !ok {
			continue
		}
		want := exactClients{"clients": {}}
		if !want.count(lines) {
			continue
		}
		got := visorClients(t, file)
		if !maps.Equal(want["messages"], got["messages"]) {
			continue // TestTruth compares which messages are found
		}
		compared, messages = compared+1, messages+want["messages"]["all"]
		for name, counts := range want {
			sums[name] += len(counts)
		}
		require.Equal(t, want.text(), got.text(), file)
	}
	t.Logf("%d of %d captures compared, with %d messages, entries: %v", compared, len(files), messages, sums)
	require.Greater(t, compared, len(files)/2)
	for _, name := range []string{"nxdomain by client", "failed by client", "unanswered by client", "unanswered names", "servfail by server", "truncated by server"} {
		require.NotZero(t, sums[name], name)
	}
}

// exactClients are counts by the name of a list and its key.
type exactClients map[string]map[string]uint64

func (e exactClients) add(list, key string, n uint64) {
	if e[list] == nil {
		e[list] = make(map[string]uint64)
	}
	e[list][key] += n
}

// text returns the counts that are not 0, for comparison.
func (e exactClients) text() map[string]string {
	out := make(map[string]string)
	for list, counts := range e {
		maps.DeleteFunc(counts, func(_ string, n uint64) bool { return n == 0 })
		if len(counts) > 0 {
			out[list] = fmt.Sprint(counts)
		}
	}
	return out
}

// client counts an event of a client for the list of addresses and of subnets.
func (e exactClients) client(list string, client netip.Addr, n uint64) {
	bits := map[bool]int{true: 24, false: 48}[client.Is4()]
	e.add(list+" by client", client.String(), n)
	e.add(list+" by subnet", netip.PrefixFrom(client, bits).Masked().String(), n)
}

// exactQuery is a query without a reply so far.
type exactQuery struct {
	at             time.Duration
	question       string
	name           string
	client, server netip.Addr
}

// count counts the messages of tshark's lines. It returns false if a frame has several addresses,
// as in tunnels, or is cut, because visor counts the bytes that were captured.
func (e exactClients) count(lines []map[string]string) bool {
	open := make(map[string][]exactQuery)
	last := time.Duration(0)
	for _, f := range lines {
		src, dst := f["ip.src"]+f["ipv6.src"], f["ip.dst"]+f["ipv6.dst"]
		from, errFrom := netip.ParseAddr(src)
		to, errTo := netip.ParseAddr(dst)
		if errFrom != nil || errTo != nil || f["dns.flags.response"] == "" || cut(f) {
			return false
		}
		seconds, err := time.ParseDuration(f["frame.time_epoch"] + "s")
		if err != nil {
			return false
		}
		last = max(last, seconds)
		one, other := src+" "+f["udp.srcport"]+f["tcp.srcport"], dst+" "+f["udp.dstport"]+f["tcp.dstport"]
		e.add("messages", "all", 1)
		if f["dns.flags.response"] != "1" {
			e.query(open, one+" "+other+" "+f["dns.id"], exactQuery{seconds, question(f), f["dns.qry.name"], from, to})
			continue
		}
		e.reply(open, other+" "+one+" "+f["dns.id"], f, seconds, from, to)
	}
	for _, queries := range open {
		for _, q := range queries {
			if last-q.at >= transactionTimeout {
				e.lost(q)
			}
		}
	}
	return true
}

// cut reports whether a datagram is longer than its frame, or than what was captured of it.
func cut(f map[string]string) bool {
	size, _ := strconv.Atoi(f["udp.length"]) // 0 for TCP
	captured, err := strconv.Atoi(f["frame.cap_len"])
	return err != nil || size > captured || f["frame.len"] != f["frame.cap_len"]
}

func question(f map[string]string) string {
	return strings.ToLower(f["dns.qry.name"]) + " " + f["dns.qry.type"]
}

// query opens a transaction, unless the same query waits already.
func (e exactClients) query(open map[string][]exactQuery, key string, q exactQuery) {
	e.client("queries", q.client, 1)
	e.add("clients", q.client.String(), 1)
	for i, waits := range open[key] {
		if waits.question != q.question {
			continue
		}
		if q.at-waits.at < transactionTimeout {
			return
		}
		e.lost(waits)
		open[key][i] = q
		return
	}
	open[key] = append(open[key], q)
}

// lost counts a query without a reply in time.
func (e exactClients) lost(q exactQuery) {
	e.client("unanswered", q.client, 1)
	e.add("unanswered by server", q.server.String(), 1)
	e.add("unanswered names", strings.ToLower(q.name), 1)
}

func (e exactClients) reply(open map[string][]exactQuery, key string, f map[string]string, at time.Duration, server, client netip.Addr) {
	size, err := strconv.ParseUint(f["dns.length"], 10, 64)
	if err != nil {
		size, _ = strconv.ParseUint(f["udp.length"], 10, 64)
		size -= 8
	}
	e.client("bytes", client, size)
	switch f["dns.flags.rcode"] {
	case "3":
		e.client("nxdomain", client, 1)
	case "2", "5":
		e.client("failed", client, 1)
	}
	for i, q := range open[key] {
		if f["dns.qry.type"] != "" && q.question != question(f) && len(open[key]) > 1 {
			continue
		}
		open[key] = append(open[key][:i:i], open[key][i+1:]...)
		if at-q.at >= transactionTimeout {
			e.lost(q)
			return
		}
		e.add("xacts by server", server.String(), 1)
		if f["dns.flags.rcode"] == "2" {
			e.add("servfail by server", server.String(), 1)
		}
		if f["dns.flags.truncated"] == "1" {
			e.add("truncated by server", server.String(), 1)
		}
		return
	}
}

// visorClients returns visor's counts.
func visorClients(t *testing.T, file string) exactClients {
	src, err := pcapfile.Open(file)
	require.NoError(t, err)
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}, Timeout: transactionTimeout})
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}, DNSPorts: []uint16{53}})
	require.NoError(t, err)
	_ = p.Run(context.Background()) // captures that end within a packet
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	m := dns.From(snap)
	e := exactClients{"clients": {}}
	e.add("messages", "all", m.Queries.Value()+m.Replies.Value())
	list := func(name string, items []metric.Item) {
		for _, it := range items {
			e.add(name, it.Name, it.Estimate)
		}
	}
	const all = 1 << 16
	for by, c := range map[string]*dns.TopClients{"client": &m.Clients.ByAddress, "subnet": &m.Clients.BySubnet} {
		list("queries by "+by, c.Queries.Items(all))
		list("bytes by "+by, c.Bytes.Items(all))
		list("nxdomain by "+by, c.NXDomain.Items(all))
		list("failed by "+by, c.Failed.Items(all))
		list("unanswered by "+by, c.Unanswered.Items(all))
	}
	list("clients", m.Clients.ByAddress.Queries.Items(all))
	list("unanswered names", m.Clients.Timeouts.Items(all))
	for server, s := range m.Servers.All() {
		e.add("xacts by server", server, s.Trans.Value())
		e.add("unanswered by server", server, s.Unanswered.Value())
		e.add("servfail by server", server, s.ServFail.Value())
		e.add("truncated by server", server, s.Truncated.Value())
	}
	return e
}
