package policy_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/packettest"
)

// TestOneSidedDNS has a host whose local networks include its peers, as an interface's network does
// on a LAN. All messages are "in", and one warning is logged.
func TestOneSidedDNS(t *testing.T) {
	for spec, warnings := range map[string]int{"192.0.2.0/24": 1, "192.0.2.53/32": 0, "198.51.100.0/24": 1} {
		synctest.Test(t, func(t *testing.T) {
			feed := capture.NewFeed()
			hosts, err := decode.ParseNetSet(spec)
			require.NoError(t, err)
			var log bytes.Buffer
			m := policy.NewManager(policy.ManagerConfig{
				Types:  builtin.Catalog(),
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Open: func(string, policy.Options, policy.Options) (policy.Opened, error) {
					return policy.Opened{Sources: []capture.Source{feed}, Hosts: hosts}, nil
				},
			})
			require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap"}))
			add(t, m, counting("a"))
			for range 3 {
				for i := range 10 {
					query := packettest.Query(uint16(i), "www.example.com", 1)
					for _, f := range []capture.Frame{
						packettest.UDP(0, "192.0.2.7:5000", "192.0.2.53:53", query),
						packettest.UDP(0, "192.0.2.53:53", "192.0.2.7:5000", packettest.Reply(query, 0, 1)),
						packettest.UDP(0, "192.0.2.7:5353", "224.0.0.251:5353", query),
					} {
						require.True(t, feed.Packet(time.Now().UnixNano(), decode.LinkEthernet, f.Data))
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
			}
			require.NoError(t, m.Close())
			require.Equal(t, warnings, strings.Count(log.String(), "went one way"), "%s: %s", spec, log.String())
		})
	}
}
