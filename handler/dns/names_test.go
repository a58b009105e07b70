package dns_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/handler/metric"
	"visor/internal/packettest"
)

// named counts the messages of each list by name, exactly.
type named map[string]map[string]uint64

func (n named) add(list, name string, count uint64) {
	if n[list] == nil {
		n[list] = make(map[string]uint64)
	}
	n[list][name] += count
}

// last returns the last labels of a name, as lists show them.
func last(name string, labels int) string {
	parts := strings.Split(name, ".")
	if len(parts) <= labels {
		return name
	}
	return "." + strings.Join(parts[len(parts)-labels:], ".")
}

// message adds a message to n and returns it.
func (n named) message(name string, reply bool, rcode byte, answers int) []byte {
	msg := packettest.Query(1, name, typeA)
	n.add("qname2", last(name, 2), 1)
	if strings.Contains(name, ".") && strings.Count(name, ".") > 1 {
		n.add("qname3", last(name, 3), 1)
	}
	if !reply {
		return msg
	}
	msg = packettest.Reply(msg, rcode, answers)
	n.add("bytes", name, uint64(len(msg)))
	switch dnsmsg.RCode(rcode) {
	case dnsmsg.RCodeNoError:
		n.add("noerror", name, 1)
		if answers == 0 {
			n.add("nodata", name, 1)
		}
	case dnsmsg.RCodeNXDomain:
		n.add("nxdomain", name, 1)
	case dnsmsg.RCodeServFail:
		n.add("srvfail", name, 1)
	case dnsmsg.RCodeRefused:
		n.add("refused", name, 1)
	}
	return msg
}

// counted returns the lists of m.
func counted(m *dns.Metrics) named {
	n := named{}
	for list, top := range map[string]*metric.TopDomains{
		"qname2": &m.TopQName2, "qname3": &m.TopQName3, "bytes": &m.TopBytes, "noerror": &m.TopNoError, "nodata": &m.TopNoData,
		"nxdomain": &m.TopNXDomain, "srvfail": &m.TopServFail, "refused": &m.TopRefused,
	} {
		for _, item := range top.Items(1 << 20) {
			n.add(list, item.Name, item.Estimate)
		}
	}
	return n
}

// asking is a source that calls ask between its batches.
type asking struct {
	*capture.Memory
	ask func()
}

func (s *asking) ReadBatch(b *capture.Batch) error {
	s.ask()
	return s.Memory.ReadBatch(b)
}

// TestNames sends messages in random order for more names than have slots, of all lengths. Lists
// that are not full are exact, at the end and whenever a query comes.
func TestNames(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of names")
	}
	const names = 5000
	rnd := rand.New(rand.NewPCG(1, 2))
	want, distinct := named{}, map[string]bool{}
	var frames []capture.Frame
	for range 8 * names {
		i := int(rnd.ExpFloat64()*names/4) % names
		name := fmt.Sprintf("n%d.example", i)
		for len(name) < i%240 {
			name = strings.Repeat("x", min(i%240-len(name), 40)) + "." + name
		}
		distinct[name] = true
		msg := want.message(name, rnd.IntN(3) > 0, byte(rnd.IntN(7)), rnd.IntN(2))
		frames = append(frames, packettest.UDP(time.Millisecond, client, server, msg))
	}
	h, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1, Enable: []string{"top_qnames_details"}}})
	require.NoError(t, err)
	src := &asking{Memory: capture.NewMemory(frames)}
	p, err := handler.NewPipeline(handler.Config{Sources: []capture.Source{src}, Handlers: []handler.Handler{h}})
	require.NoError(t, err)
	asked := 0
	src.ask = func() {
		if asked++; asked%20 > 0 {
			return
		}
		snap, err := p.Bucket(0)
		require.NoError(t, err)
		m := dns.From(snap)
		require.Equal(t, m.Events.Value(), m.TopQName2.Total())
		require.Equal(t, m.NXDomain.Value(), m.TopNXDomain.Total())
	}
	require.NoError(t, p.Run(t.Context()))
	require.Greater(t, asked, 100)
	snap, err := p.Bucket(0)
	require.NoError(t, err)
	require.Equal(t, want, counted(dns.From(snap)))
	require.InEpsilon(t, len(distinct), dns.From(snap).QName.Estimate(), 0.04)
	require.Greater(t, len(distinct), 4200)
}

// TestNameOften counts more messages of a name than its slot can hold.
func TestNameOften(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out long streams of names")
	}
	want := named{}
	var frames []capture.Frame
	for range 150_000 {
		frames = append(frames, packettest.UDP(time.Millisecond, server, client, want.message("a.b.example", true, 3, 0)))
	}
	m, _ := run(t, dns.Config{Settings: handler.Settings{Enable: []string{"top_qnames_details"}}}, frames...)
	require.Equal(t, want, counted(m))
}

// TestTransactionNames: version 2.0 counts names by direction.
func TestTransactionNames(t *testing.T) {
	var frames []capture.Frame
	q := packettest.Query(1, "a.b.example", typeA)
	for i := range 5 {
		at := time.Duration(i) * time.Second
		frames = append(frames, exchange(at, time.Millisecond, client, server, q, packettest.Reply(q, 3, 0))...)
		frames = append(frames, exchange(at+time.Millisecond, time.Millisecond, resolver, upstream, q, packettest.Reply(q, 2, 0))...)
	}
	h, err := dns.NewTransactions(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	snap, err := handlertest.Analyse(t, h, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	dirs := &dns.FromTransactions(snap).Directions
	in, out := dirs.At("in"), dirs.At("out")
	require.Equal(t, []uint64{5, 5}, []uint64{in.TopQName3.Total(), out.TopQName3.Total()})
	require.Equal(t, []uint64{5, 0}, []uint64{in.TopNXDomain.Total(), out.TopNXDomain.Total()})
	require.Equal(t, []uint64{0, 5}, []uint64{in.TopServFail.Total(), out.TopServFail.Total()})
}
