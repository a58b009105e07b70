package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/decode/dnstapmsg"
	"visor/internal/packettest"
	"visor/internal/promtest"
	"visor/internal/wait"
)

// perSecond is the rate of a generator's queries.
const perSecond = 200

// generate sends dnstap messages of queries to a socket at a constant rate until stop is closed.
// Messages are lost while visord restarts, as they are for a DNS server.
func generate(socket string, stop chan struct{}) {
	m := dnstapmsg.Message{Type: dnstapmsg.ClientQuery, Query: packettest.Query(1, "example.com", 1)}
	frame := m.AppendTo(nil)
	frame = append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	begin, sent := time.Now(), 0
	var conn net.Conn
	for ticks := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-stop:
			ticks.Stop()
			if conn != nil {
				_ = conn.Close()
			}
			return
		case <-ticks.C:
		}
		var due []byte
		for ; sent < int(time.Since(begin)*perSecond/time.Second); sent++ {
			due = append(due, frame...)
		}
		if conn == nil {
			if c, err := net.Dial("unix", socket); err == nil {
				start := "\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x02" // a control frame
				conn, due = c, append([]byte(start), due...)
			}
		}
		if conn != nil {
			if _, err := conn.Write(due); err != nil {
				_ = conn.Close()
				conn = nil
			}
		}
	}
}

// TestRates has a real Prometheus scrape visord at three intervals. rate() must be the rate of the
// generator at each interval, also over replaced policies, and over a restart of visord, which
// resets each counter once.
func TestRates(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes 50 s")
	}
	promtest.Need(t, "prometheus")
	socket := filepath.Join(t.TempDir(), "s")
	address := promtest.FreeAddress(t)
	args := []string{"--admin-api", "-p", address[strings.LastIndexByte(address, ':')+1:], "--config", configFile(t, tapped(socket, 5))}
	p := start(t, nil, args...)
	stop := make(chan struct{})
	var generating sync.WaitGroup
	generating.Go(func() { generate(socket, stop) })
	end := sync.OnceFunc(func() { close(stop); generating.Wait() })
	defer end()
	server := promtest.Start(t, promtest.Jobs(address, "/metrics/counters", map[string]string{"quick": "200ms", "second": "1s", "slow": "2700ms"}))

	const queries = "visor_dns_queries_total"
	// steady waits for 3 % of the rate at all intervals. Later scrapes than since are in the range.
	steady := func(what string) {
		var low, high float64
		wait.Until(t, func() bool {
			low, high = server.Query(`min(rate(`+queries+`[12s]))`), server.Query(`max(rate(`+queries+`[12s]))`)
			// a job whose first scrape was too early has no series yet
			full := server.Query(`count(count_over_time(`+queries+`[12s]) >= 4)`) == 3
			return full && low > perSecond*0.97 && high < perSecond*1.03
		}, func() string { return fmt.Sprintf("%s: %v to %v, not %d", what, low, high, perSecond) })
	}
	steady("at the start")
	for i := range 6 {
		require.Equal(t, 200, p.change("PUT", "/api/v1/policies/names", tapped(socket, 2+i%3)))
		before := server.Query(`max(count_over_time(` + queries + `[5m]))`)
		wait.Until(t, func() bool { return server.Query(`max(count_over_time(`+queries+`[5m]))`) > before+3 })
	}
	require.Zero(t, server.Query(`max(resets(`+queries+`[5m]))`), "no counter fell with the policy")
	steady("over replaced policies")

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, exitDone, p.end())
	p = start(t, nil, args...)
	wait.Until(t, func() bool { return server.Query(`min(resets(`+queries+`[5m]))`) == 1 })
	require.Less(t, server.Query(`max(rate(`+queries+`[12s]))`), perSecond*1.03, "lower while visord was away, never higher")
	steady("after the restart")
	end()
	counted := 0.0
	wait.Until(t, func() bool {
		last := counted
		counted = server.Query(`max(` + queries + `)`)
		return counted == last && server.Query(`min(`+queries+`)`) == counted
	})
	p.counted("names", int(counted))
	require.Equal(t, 1.0, server.Query(`max(resets(`+queries+`[5m]))`), "one reset, by the restart")
	require.Empty(t, complaints(server.Stop()))
}
