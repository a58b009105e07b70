package findings_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnstapmsg"
	"visor/export/findings"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/internal/packettest"
	"visor/sketch/hash64"
)

// mix is a kind of ordinary traffic.
type mix string

const (
	resolver      mix = "resolver"      // many names, many zones
	authoritative mix = "authoritative" // few zones, many names, more NXDOMAIN
	office        mix = "office"        // DNS among other traffic
)

// scenario is ordinary traffic with an event in it. The same scenario yields the same frames.
type scenario struct {
	mix     mix
	seed    uint64
	start   int // first minute
	minutes int
	qps     float64       // queries per second, on average
	rhythm  bool          // daily rhythm, deployments, content networks, pulses
	begin   int           // first minute of the attack
	attack  func(*minute) // adds an attack's frames; nil without
	change  func(*minute) // changes the ordinary traffic; nil without

	pktvisor bool // only pktvisor's groups of metrics
	version2 bool // modules of version 2.0, which separate directions, with the servers' networks
	dnstap   bool // servers log queries and replies by dnstap
	sample   int  // per cent of the events that lists see; 0 means all
}

// minute is one minute of traffic in the making.
type minute struct {
	*scenario
	n      int // since the beginning
	rnd    *rand.Rand
	frames []capture.Frame
	id     uint16

	// may be changed: the number of queries, and the reply to one
	queries int
	reply   func(name string, server int) (code int, after time.Duration) // a negative code is none
	skip    func(name, client string) bool
	servers int // number of servers that are asked
}

var zones = func() (out []string) {
	for i := range 3000 {
		out = append(out, fmt.Sprintf("zone%d.%s", i, []string{"com", "net", "org", "de"}[i%4]))
	}
	return out
}()

// zipf returns a rank below n, with probability proportional to its reciprocal.
func (m *minute) zipf(n int) int {
	return min(int(math.Exp(m.rnd.Float64()*math.Log(float64(n)+1)))-1, n-1)
}

func (m *minute) at() time.Duration {
	return time.Duration(m.n)*time.Minute + time.Duration(m.rnd.Int64N(int64(time.Minute)))
}

func client(n int) string {
	if n%5 == 4 {
		return fmt.Sprintf("[2001:db8:%x:%x::1]", n>>8&0xFFFF, n&0xFF)
	}
	return fmt.Sprintf("10.%d.%d.%d", n>>16&0xFF, n>>8&0xFF, n&0xFF)
}

// ask adds a query with its reply.
func (m *minute) ask(at time.Duration, client, name string, qtype uint16, server, code, answers int, after time.Duration) {
	m.id++
	from := fmt.Sprintf("%s:%d", client, 20000+m.rnd.IntN(40000))
	to := fmt.Sprintf("192.0.2.%d:53", 53+server)
	if client[0] == '[' {
		to = fmt.Sprintf("[2001:db8:53::%d]:53", 53+server)
	}
	q := packettest.Query(m.id, name, qtype)
	if m.dnstap {
		m.log(at, netip.MustParseAddrPort(from), netip.MustParseAddrPort(to), q, code, answers, after)
		return
	}
	m.frames = append(m.frames, packettest.UDP(at, from, to, q))
	if code >= 0 {
		m.frames = append(m.frames, packettest.UDP(at+after, to, from, packettest.Reply(q, byte(code), answers)))
	}
}

// log adds a query with its reply, by dnstap.
func (m *minute) log(at time.Duration, from, to netip.AddrPort, query []byte, code, answers int, after time.Duration) {
	d := dnstapmsg.Message{
		Type: dnstapmsg.ClientQuery, IPv4: from.Addr().Is4(), IPv6: from.Addr().Is6(), Protocol: dnstapmsg.UDP,
		QueryAddr: from.Addr().AsSlice(), ResponseAddr: to.Addr().AsSlice(), QueryPort: from.Port(), ResponsePort: to.Port(),
		QueryTime: first.Add(at).UnixNano(), Query: query,
	}
	m.frames = append(m.frames, packettest.DNSTap(d))
	if code >= 0 {
		d.Type, d.Query, d.Response = dnstapmsg.ClientResponse, nil, packettest.Reply(query, byte(code), answers)
		d.ResponseTime = d.QueryTime + int64(after)
		m.frames = append(m.frames, packettest.DNSTap(d))
	}
}

// ordinary adds the ordinary traffic.
func (m *minute) ordinary() {
	for range m.queries {
		name, code, answers := m.name()
		c := client(m.zipf(2000))
		if m.skip != nil && m.skip(name, c) {
			continue
		}
		server, after := m.rnd.IntN(m.servers), time.Duration(1+m.rnd.ExpFloat64()*8)*time.Millisecond
		if m.reply != nil {
			if other, late := m.reply(name, server); other != 0 || late > 0 {
				code, answers, after = other, 0, max(late, after)
			}
		}
		m.ask(m.at(), c, name, []uint16{1, 1, 1, 28, 28, 65, 15, 16}[m.rnd.IntN(8)], server, code, answers, after)
	}
	if m.mix == office {
		for range m.queries / 2 {
			m.connection(client(m.zipf(500)), fmt.Sprintf("198.51.100.%d:443", 1+m.zipf(50)), 8)
		}
	}
}

// name returns a name with its ordinary reply.
func (m *minute) name() (name string, code, answers int) {
	z := zones[m.zipf(len(zones))]
	if m.mix == authoritative {
		z = zones[m.zipf(20)]
	}
	switch p := m.rnd.IntN(1000); {
	case p < 40 || m.mix == authoritative && p < 120: // typing errors, search lists
		return fmt.Sprintf("%s%d.%s", []string{"wpad", "old", "isatap", "x"}[m.rnd.IntN(4)], m.rnd.IntN(5000), z), 3, 0
	case p < 127:
		return z, -1, 0
	case p < 135:
		return z, 2, 0
	case p < 200:
		return fmt.Sprintf("%d.%d.%d.10.in-addr.arpa", m.rnd.IntN(250), m.rnd.IntN(250), m.rnd.IntN(50)), 3 * m.rnd.IntN(2), 1
	case p < 240 && m.rhythm: // a content network with a label for each object
		return fmt.Sprintf("r%d---sn-%x.googlevideo.com", m.rnd.IntN(20), m.rnd.Uint32()), 0, 1
	case p < 260 && m.rhythm: // the same from a network that no list has
		return fmt.Sprintf("a%d.img%d.cdn-example.net", m.rnd.IntN(400), m.rnd.IntN(20)), 0, 1
	}
	return fmt.Sprintf("%s.%s", []string{"www", "api", "mail", "cdn", "img", "static"}[m.zipf(6)], z), 0, 1 + m.rnd.IntN(3)
}

// connection adds a TCP connection of n segments.
func (m *minute) connection(client, server string, n int) {
	at, from := m.at(), fmt.Sprintf("%s:%d", client, 20000+m.rnd.IntN(40000))
	if client[0] == '[' {
		server = "[2001:db8:99::1]:443"
	}
	m.frames = append(m.frames, packettest.TCP(at, from, server, 2, 1, 0, nil), packettest.TCP(at+1e6, server, from, 0x12, 1, 2, nil))
	for i := range n {
		m.frames = append(m.frames, packettest.TCP(at+time.Duration(2+i)*1e6, server, from, 0x10, uint32(2+400*i), 2, make([]byte, 400)))
	}
}

// level is the factor of ordinary traffic at a minute: night and day, two deployments and pulses.
func (s *scenario) level(n int, rnd *rand.Rand) float64 {
	if !s.rhythm {
		return 1
	}
	hour := float64(n) / 60
	x := 1 + 0.6*math.Sin((hour-9)/24*2*math.Pi) + 0.05*rnd.NormFloat64()
	if n >= 600 && n < 605 || n >= 1100 && n < 1103 { // caches are empty after a deployment
		x *= 1.5
	}
	if n >= 780 {
		x *= 1.25 // a service that is new
	}
	return max(x, 0.1)
}

// source yields the frames of a scenario minute by minute.
type source struct {
	*scenario
	rnd    *rand.Rand
	n      int
	frames []capture.Frame
}

func (s *source) ReadBatch(b *capture.Batch) error {
	b.Reset()
	if len(s.frames) == 0 {
		if s.n == s.minutes {
			return io.EOF
		}
		s.frames = s.make()
		s.n++
	}
	n := min(len(s.frames), capture.BatchSize)
	b.Frames = append(b.Frames, s.frames[:n]...)
	s.frames = s.frames[n:]
	return nil
}

func (s *source) Close() error { return nil }

func (s *source) make() []capture.Frame {
	m := &minute{scenario: s.scenario, n: s.n, rnd: s.rnd, servers: 3}
	level := s.level(s.n, s.rnd)
	mean := s.qps * 60 * level
	m.queries = max(int(mean+math.Sqrt(mean)*s.rnd.NormFloat64()), 1)
	if s.change != nil {
		s.change(m)
	}
	m.ordinary()
	if s.rhythm && s.n%60 == 0 { // all clocks ask at the full hour
		for i := range m.queries / 2 {
			m.ask(time.Duration(s.n)*time.Minute+time.Duration(i)*1e6, client(i%2000), fmt.Sprintf("%d.pool.ntp.org", i%4), 1, 0, 0, 4, 3e6)
		}
	}
	if s.attack != nil && s.n >= s.begin {
		s.attack(m)
	}
	slices.SortStableFunc(m.frames, func(a, b capture.Frame) int { return cmp.Compare(a.TimeNS, b.TimeNS) })
	return m.frames
}

// run passes the periods of a scenario to a function.
func (s *scenario) run(t testing.TB, period func(*handler.Snapshot)) {
	handlers, hosts := s.handlers(t)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{&source{scenario: s, n: s.start, rnd: rand.New(rand.NewPCG(s.seed, 1+uint64(s.start)))}}, Handlers: handlers,
		Period: time.Minute, Closed: period, Hosts: hosts, Hash: hash64.New(hash64.Key{1}),
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
}

// handlers returns the modules, and the own networks.
func (s *scenario) handlers(t testing.TB) ([]handler.Handler, decode.NetSet) {
	settings := handler.Settings{Periods: 2, PktvisorGroups: s.pktvisor, DeepSample: s.sample}
	if !s.version2 {
		d, err := dns.New(dns.Config{Settings: settings})
		require.NoError(t, err)
		n, err := network.New(network.Config{Settings: settings})
		require.NoError(t, err)
		return []handler.Handler{d, n}, decode.NetSet{}
	}
	d, err := dns.NewTransactions(dns.Config{Settings: settings})
	require.NoError(t, err)
	n, err := network.NewByDirection(network.Config{Settings: settings})
	require.NoError(t, err)
	hosts, err := decode.ParseNetSet("192.0.2.0/24,2001:db8:53::/48")
	require.NoError(t, err)
	return []handler.Handler{d, n}, hosts
}

// find returns the episodes of a scenario.
func (s *scenario) find(t testing.TB, cfg findings.Config) []findings.Finding {
	var periods []*handler.Snapshot
	s.run(t, func(p *handler.Snapshot) { periods = append(periods, p) })
	found, err := findings.Find(cfg, periods...)
	require.NoError(t, err)
	return found
}

// background is the ordinary traffic before an event. Many events share it.
type background struct {
	scenario
	periods []*handler.Snapshot
}

// eventAfter is the minute in which events begin.
const eventAfter = 14

func newBackground(t testing.TB, m mix, seed uint64, in *input) *background {
	b := &background{scenario: scenario{mix: m, seed: seed, minutes: eventAfter, begin: eventAfter, qps: 30, version2: in.version2, dnstap: in.dnstap}}
	b.periods = b.scenario.periods(t)
	return b
}

// first returns the period of an event of two minutes that is the first to show a finding, or 0.
func (b *background) first(t testing.TB, attack, change func(*minute), is func(*findings.Finding) bool) int {
	s := b.scenario
	s.start, s.minutes, s.attack, s.change = eventAfter, eventAfter+2, attack, change
	found, err := findings.Find(findings.Config{}, slices.Concat(b.periods, s.periods(t))...)
	require.NoError(t, err)
	for i := range found {
		if n := minuteOf(found[i].Since) - eventAfter + 1; n > 0 && is(&found[i]) {
			return n
		}
	}
	return 0
}

// first is the beginning of all scenarios.
var first = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// minuteOf returns the minute of a scenario at a time.
func minuteOf(at time.Time) int { return int(at.Sub(first) / time.Minute) }
