package asks_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/geo"
	"visor/handler"
	"visor/handler/anonymize"
	"visor/handler/asks"
	"visor/handler/handlertest"
	"visor/internal/mmdbtest"
	"visor/internal/packettest"
)

// exchange is a query of a client and its reply.
func exchange(after time.Duration, client, name string, qtype uint16, rcode byte, answers int) []capture.Frame {
	query := packettest.Query(uint16(after/time.Millisecond), name, qtype)
	return []capture.Frame{
		packettest.UDP(after, client+":5353", "192.0.2.53:53", query),
		packettest.UDP(after+time.Millisecond, "192.0.2.53:53", client+":5353", packettest.Reply(query, rcode, answers)),
	}
}

func TestConformance(t *testing.T) {
	var frames []capture.Frame
	for i := range 1000 {
		name := fmt.Sprintf("a-name-that-is-somewhat-longer-than-others-%d.example.com", i%40)
		frames = append(frames, exchange(time.Duration(i)*10*time.Millisecond, fmt.Sprintf("203.0.113.%d", i%100), name, uint16(dnsmsg.TypeA), byte(i%4), 1)...)
	}
	cfg, err := asks.Question{Client: "203.0.113.0/24"}.Config()
	require.NoError(t, err)
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) {
		cfg.Settings = s
		return asks.New(asks.Timeless(cfg))
	}, frames...)
}

// traffic is what three clients ask for.
func traffic() (out []capture.Frame) {
	for i := range 10 {
		at := time.Duration(i) * time.Second
		out = append(out, exchange(at, "198.51.100.1", "Deleted.example.com", uint16(dnsmsg.TypeA), 3, 0)...)
		if i < 4 {
			out = append(out, exchange(at+100*time.Millisecond, "198.51.100.2", "deleted.example.com", uint16(dnsmsg.TypeAAAA), 3, 0)...)
		}
		out = append(out, exchange(at+200*time.Millisecond, "203.0.113.3", "www.example.com", uint16(dnsmsg.TypeHTTPS), 0, 0)...)
		out = append(out, exchange(at+300*time.Millisecond, "203.0.113.3", "example.com", uint16(dnsmsg.TypeNS), 2, 0)...)
	}
	return out
}

func ask(t *testing.T, q asks.Question, frames []capture.Frame) *asks.Metrics {
	return askWith(t, q, frames, func(*asks.Config) {})
}

func askWith(t *testing.T, q asks.Question, frames []capture.Frame, change func(*asks.Config)) *asks.Metrics {
	cfg, err := q.Config()
	require.NoError(t, err)
	cfg.Periods = 1
	change(&cfg)
	h, err := asks.New(cfg)
	require.NoError(t, err)
	snap, err := handlertest.AnalyseBy(t, h, 1, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	return asks.From(snap)
}

// A name has its clients, their query types, and the results.
func TestQName(t *testing.T) {
	q := asks.Question{QName: "DELETED.example.com."}
	m := ask(t, q, traffic())
	require.EqualValues(t, 14, m.Queries.Value())
	require.EqualValues(t, 14, m.Replies.Value())
	require.EqualValues(t, 2, m.Clients.Estimate())
	one := m.ByClient.Find("198.51.100.1")
	require.Equal(t, []uint64{10, 10, 10, 0, 10}, []uint64{one.Queries.Value(), one.Replies.Value(), one.A.Value(), one.AAAA.Value(), one.NXDomain.Value()})
	require.EqualValues(t, 9, one.Last.Max()-one.First.Min())
	require.Nil(t, m.ByClient.Find("203.0.113.3"))
	sentence := m.Sentence(q, 10*time.Second)
	require.Regexp(t, `^In 10s, 2 clients asked for DELETED\.example\.com\.: 14 queries \(A 10, AAAA 4\), 14 replies \(NXDOMAIN 14\)\. Clients by queries: 198\.51\.100\.1 \(10\), 198\.51\.100\.2 \(4\)\. First seen .*, last .* UTC\.$`, sentence)
	require.Equal(t, "In 10s, no client asked for other.example.com.", ask(t, asks.Question{QName: "other.example.com"}, traffic()).Sentence(asks.Question{QName: "other.example.com"}, 10*time.Second))
}

// Names below a suffix begin at a label.
func TestBelow(t *testing.T) {
	frames := append(traffic(), exchange(0, "198.51.100.9", "notexample.com", 1, 0, 1)...)
	m := ask(t, asks.Question{QName: "*.example.com"}, frames)
	require.EqualValues(t, 34, m.Queries.Value())
	require.EqualValues(t, 3, m.Names.Estimate())
}

// TestNameForms asks for names in other forms than lists show them.
func TestNameForms(t *testing.T) {
	var frames []capture.Frame
	for i, label := range []string{"foo.example", "example", `x\y`} {
		name := append(append([]byte{byte(len(label))}, label...), "\x03com\x00"...)
		query := packettest.Query(uint16(i), "", 1)
		query = append(append(query[:12:12], name...), query[13:]...)
		frames = append(frames, packettest.UDP(0, "198.51.100.1:5353", "192.0.2.53:53", query))
	}
	for qname, want := range map[string]uint64{
		`FOO\.example.com`: 1, `foo\046ex\097mple.com.`: 1, `*.example.com`: 1, `x\092y.com`: 1, `x\\y.com`: 1, "*.com": 3, "*.": 3, "*": 3, ".": 0,
	} {
		require.Equal(t, want, ask(t, asks.Question{QName: qname}, frames).Queries.Value(), qname)
	}
	for qname, want := range map[string]string{".": "In 1s, no client asked for the root.", "*.": "In 1s, no client asked for any name.", "*": "In 1s, no client asked for any name."} {
		q := asks.Question{QName: qname}
		require.Equal(t, want, ask(t, q, nil).Sentence(q, time.Second))
	}
	for qname, want := range map[string]string{"münchen.de": "xn--", `*.a\`: "backslash"} {
		_, err := asks.Question{QName: qname}.Config()
		require.ErrorContains(t, err, want)
		_, err = asks.New(asks.Config{OnlySuffixes: []string{strings.TrimPrefix(qname, "*.")}})
		require.ErrorContains(t, err, want)
	}
}

// dnstap yields the same answer, also from servers that log responses alone.
func TestDNSTap(t *testing.T) {
	var both, responses []capture.Frame
	for i := range 10 {
		query := packettest.Query(uint16(i), "deleted.example.com", uint16(dnsmsg.TypeA))
		m := dnstapmsg.Message{
			Type: dnstapmsg.ClientQuery, IPv4: true, Protocol: dnstapmsg.UDP, QueryAddr: []byte{198, 51, 100, byte(i % 2)}, ResponseAddr: []byte{192, 0, 2, 53},
			QueryPort: 5353, ResponsePort: 53, Query: query, QueryTime: int64(1+i) * 1e9,
		}
		both = append(both, packettest.DNSTap(m))
		m.Type, m.Response, m.ResponseTime = dnstapmsg.ClientResponse, packettest.Reply(query, 3, 0), m.QueryTime+1e6
		both, responses = append(both, packettest.DNSTap(m)), append(responses, packettest.DNSTap(m))
	}
	query := packettest.Query(1, "other.example.com", uint16(dnsmsg.TypeA))
	upstream := packettest.DNSTap(dnstapmsg.Message{Type: dnstapmsg.ResolverQuery, Query: query, QueryTime: 1e9})
	for _, frames := range [][]capture.Frame{both, responses, slices.Concat([]capture.Frame{upstream}, responses)} {
		m := ask(t, asks.Question{QName: "deleted.example.com"}, frames)
		require.Equal(t, []uint64{10, 10, 2}, []uint64{m.Queries.Value(), m.Replies.Value(), m.Clients.Estimate()})
		one := m.ByClient.Find("198.51.100.1")
		require.Equal(t, []uint64{5, 5, 5, 5}, []uint64{one.Queries.Value(), one.Replies.Value(), one.A.Value(), one.NXDomain.Value()})
		require.Equal(t, 2, m.TopClients.Len())
		require.EqualValues(t, 10, ask(t, asks.Question{Client: "198.51.100.0/24"}, frames).Queries.Value())
		require.Zero(t, ask(t, asks.Question{Client: "192.0.2.53"}, frames).Replies.Value())
	}
}

// A client has its names. Results without a counter are counted too.
func TestClient(t *testing.T) {
	for client, words := range map[string]string{
		"203.0.113.3": "at 203.0.113.3", "203.0.113.0/24": "in 203.0.113.0/24", "::ffff:203.0.113.3": "at ::ffff:203.0.113.3",
	} {
		q := asks.Question{Client: client}
		m := ask(t, q, traffic())
		require.EqualValues(t, 20, m.Queries.Value())
		www, apex := m.ByQName.Find("www.example.com"), m.ByQName.Find("example.com")
		require.Equal(t, []uint64{10, 10, 0}, []uint64{www.HTTPS.Value(), www.NoData.Value(), www.OtherTypes()})
		require.Equal(t, []uint64{10, 10, 0}, []uint64{apex.OtherTypes(), apex.ServFail.Value(), apex.OtherResults()})
		require.Contains(t, m.Sentence(q, time.Minute), "In 1m0s, one client "+words+" asked: 20 queries (")
	}
}

// The number of an autonomous system selects clients by the database.
func TestASN(t *testing.T) {
	path := mmdbtest.Write(t, "ASN", map[string]mmdbtest.Record{"203.0.113.0/24": {"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example"}})
	db, err := geo.Open(geo.Config{ASNPath: path})
	require.NoError(t, err)
	defer db.Close()
	q := asks.Question{ASN: "AS64500"}
	m := askWith(t, q, traffic(), func(c *asks.Config) { c.Geo = db })
	require.EqualValues(t, 20, m.Queries.Value())
	zeros := askWith(t, asks.Question{ASN: "as064500"}, traffic(), func(c *asks.Config) { c.Geo = db })
	require.EqualValues(t, 20, zeros.Queries.Value())
	require.Contains(t, m.Sentence(q, time.Minute), "one client in AS64500 asked: 20 queries")
}

// TestAnonymized checks that a list of networks leaves out nothing, although it has fewer entries
// than there are clients.
func TestAnonymized(t *testing.T) {
	by, err := anonymize.New(anonymize.Config{})
	require.NoError(t, err)
	q := asks.Question{QName: "deleted.example.com"}
	m := askWith(t, q, traffic(), func(c *asks.Config) { c.Anonymize = by })
	require.Contains(t, m.Sentence(q, time.Minute), "2 clients asked for deleted.example.com: 14 queries")
	require.Contains(t, m.Sentence(q, time.Minute), "Clients by queries: 198.51.100.0 (14). First seen")
}

// Subjects beyond the bound share an entry, and the lists find the heaviest ones nevertheless.
func TestBound(t *testing.T) {
	var frames []capture.Frame
	for i := range 3000 {
		client := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()
		if i > 1000 && i%2 == 0 {
			client = "198.51.100.1"
		}
		frames = append(frames, exchange(time.Duration(i)*time.Millisecond, client, fmt.Sprintf("n%d.example.com", i), 1, 3, 0)[0])
	}
	m := ask(t, asks.Question{QName: "*.example.com"}, frames)
	require.Equal(t, 257, m.ByClient.Len())
	require.Equal(t, 257, m.ByQName.Len())
	sum := uint64(0)
	for _, c := range m.ByClient.All() {
		sum += c.Queries.Value()
	}
	require.EqualValues(t, 3000, sum)
	require.Equal(t, "198.51.100.1", m.TopClients.Items(1)[0].Name)
}

// A name that no message can have is an error, not a name without clients. Lists show names below a
// name as .example.com.
func TestPossibleNames(t *testing.T) {
	long := strings.Repeat("x", 63)
	for name, ok := range map[string]bool{
		".": true, "*.": true, "com": true, "example.com.": true, "*.example.com": true, long + ".com": true,
		`a\..b`: true, `a\046.b`: true, strings.Repeat(`\001`, 63) + ".com": true,
		"..": false, ".example.com": false, "*..com": false, "a..b": false, "a..": false,
		long + "x.com": false, strings.Repeat(`\001`, 64): false, strings.Repeat(long+".", 4): false,
	} {
		_, err := asks.Question{QName: name}.Config()
		if ok {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, "labels have 1 to 63 bytes", name)
		}
	}
}

func TestWrongQuestions(t *testing.T) {
	for want, q := range map[string]asks.Question{
		"one of qname, client and asn is required":    {},
		`client "x": must be an address or a network`: {Client: "x"},
		`asn "Example": must be the number of an`:     {ASN: "Example"},
	} {
		_, err := q.Config()
		require.ErrorContains(t, err, want)
	}
}
