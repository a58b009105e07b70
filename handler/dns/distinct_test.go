package dns_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/handlertest"
	"visor/internal/packettest"
)

// Distinct names count once below their domain, which is three labels below a suffix such as co.uk.
// Both versions count alike.
func TestNamesByDomain(t *testing.T) {
	var frames []capture.Frame
	ask := func(id int, name string, code byte) {
		q := packettest.Query(uint16(id), name, 1)
		at := time.Duration(id) * time.Millisecond
		frames = append(frames, packettest.UDP(at, "198.51.100.1:5000", "192.0.2.53:53", q), packettest.UDP(at+1, "192.0.2.53:53", "198.51.100.1:5000", packettest.Reply(q, code, 0)))
	}
	for i := range 40 {
		ask(4*i, fmt.Sprintf("x%d.victim.com", i%20), 3)
		ask(4*i+1, fmt.Sprintf("www%d.shop.co.uk", i%5), 0)
		ask(4*i+2, "victim.com", 3)
		ask(4*i+3, "co.uk", 2)
	}
	v1, err := dns.New(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	snap, err := handlertest.Analyse(t, v1, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)
	v2, err := dns.NewTransactions(dns.Config{Settings: handler.Settings{Periods: 1}})
	require.NoError(t, err)
	other, err := handlertest.Analyse(t, v2, capture.NewMemory(frames)).Bucket(0)
	require.NoError(t, err)

	for _, c := range []*dns.Counts{&dns.From(snap).Counts, &dns.FromTransactions(other).Directions.Find("in").Counts} {
		all, failed := c.Names.Items(10), c.Failed.Items(10)
		require.Len(t, all, 2)
		require.Equal(t, "victim.com", all[0].Name)
		require.Equal(t, []uint64{20, 20, 10*3 + 10*4}, []uint64{all[0].Estimate, all[0].Lower, all[0].Weight}, "bytes of labels with their length")
		require.Len(t, all[0].Samples, 8)
		require.Contains(t, all[0].Samples[0], ".victim.com")
		require.Equal(t, "shop.co.uk", all[1].Name)
		require.EqualValues(t, 5, all[1].Estimate)
		require.Len(t, failed, 1)
		require.EqualValues(t, 20, failed[0].Estimate)
	}
}

// Version 2.0 counts names of queries without a reply below their domain and by client, also those
// that are too long to be kept whole.
func TestNamesWithoutReply(t *testing.T) {
	var frames []capture.Frame
	long := strings.Repeat("y", 40) + "." + strings.Repeat("z", 30)
	for i := range 60 {
		name := []string{
			fmt.Sprintf("x%d.victim.com", i/3), fmt.Sprintf("x%d.shop.co.uk", i/3), fmt.Sprintf("x%d.%s.long.com", i/3, long),
		}[i%3]
		from := fmt.Sprintf("198.51.100.%d:5000", 1+i%3)
		frames = append(frames, packettest.UDP(time.Duration(i)*time.Millisecond, from, "192.0.2.53:53", packettest.Query(uint16(i), name, 1)))
	}
	late := packettest.Query(1, "late.com", 1)
	frames = append(frames, packettest.UDP(10*time.Second, "198.51.100.9:5000", "192.0.2.53:53", late))
	for _, public := range []bool{false, true} {
		h, err := dns.NewTransactions(dns.Config{Settings: handler.Settings{Periods: 1}, PublicSuffix: public})
		require.NoError(t, err)
		snap, err := handlertest.Analyse(t, h, capture.NewMemory(frames)).Bucket(0)
		require.NoError(t, err)
		m := dns.FromTransactions(snap)
		in := m.Directions.Find("in")
		require.EqualValues(t, 60, in.TimedOut.Value())
		counts := make(map[string]uint64)
		for _, it := range in.Names.Items(10) {
			counts[it.Name] = it.Estimate
			require.NotEmpty(t, it.Samples)
		}
		require.Equal(t, map[string]uint64{"victim.com": 20, "shop.co.uk": 20, "long.com": 20}, counts)
		require.Zero(t, len(in.Failed.Items(10)))
		for _, it := range m.Clients.ClientsByNames.Items(10) {
			require.EqualValues(t, 20, it.Estimate, it.Name)
		}
		require.Len(t, m.Clients.ClientsByNames.Items(10), 3)
	}
}
