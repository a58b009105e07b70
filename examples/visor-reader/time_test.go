package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/internal/trafficgen"
)

// TestWhole checks that the merged minutes equal one period for everything.
func TestWhole(t *testing.T) {
	seconds := make([]int, 40*60/7) // enough minutes for several merges
	for i := range seconds {
		seconds[i] = 7 * i
	}
	path := writeCapture(t, decode.LinkEthernet, seconds...)
	for _, j := range []string{"1", "4"} {
		code, stdout, stderr := call(t, nil, "-j", j, path)
		require.Equal(t, exitDone, code, stderr)
		require.Equal(t, uint64(len(seconds)), parse(t, stdout)["40m"].Packets.Total)
		require.Contains(t, stderr, "all of the input")
	}
	_, one, _ := call(t, nil, "--periods", "1", "-H", trafficgen.LocalNets, sample)
	_, all, _ := call(t, nil, "-H", trafficgen.LocalNets, sample)
	require.Equal(t, parse(t, one)["1m"].DNS, parse(t, all)["4m"].DNS)
	require.Equal(t, parse(t, one)["1m"].Packets, parse(t, all)["4m"].Packets)
}

// TestNarrowSteps checks that a narrow terminal has fewer columns, but no number without its end.
func TestNarrowSteps(t *testing.T) {
	rows := func(width int) [][]string {
		_, stdout, _ := call(t, nil, "--step", "1m", "--format", "text", "--width", fmt.Sprint(width), sample)
		var out [][]string
		for line := range strings.Lines(stdout) {
			require.LessOrEqual(t, utf8.RuneCountInString(line), max(width, 31)+1)
			out = append(out, strings.Fields(line))
		}
		return out
	}
	wide := rows(200)
	require.Equal(t, []string{"2026-01-01", "00:00:00"}, wide[1][:2])
	for width := 20; width < 84; width++ {
		for i, row := range rows(width) {
			require.Equal(t, wide[i][:len(row)], row, width)
		}
	}
	require.Len(t, rows(80)[1], 8, "all numbers")
}

// TestSteps checks that each step is a row or a line, that silence is shown, and that nothing is
// lost between steps.
func TestSteps(t *testing.T) {
	path := writeCapture(t, decode.LinkEthernet, 0, 1, 9, 10, 11, 25, 100)
	code, stdout, stderr := call(t, nil, "--step", "10s", "--format", "text", path)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stderr, "7 packets, all analysed; the answer covers all of the input")
	var rows []string
	for line := range strings.Lines(stdout) {
		if f := strings.Fields(line); f[0] == "nothing" {
			rows = append(rows, strings.Join(f, " "))
		} else if f[0] != "UTC" {
			rows = append(rows, f[1]+" "+f[2])
		}
	}
	require.Equal(t, []string{"00:00:00 3", "00:00:10 2", "00:00:25 1", "nothing for 1m5s", "00:01:40 1"}, rows)

	_, stdout, _ = call(t, nil, "--step", "10s", "--format", "json", path)
	var counts []string
	for line := range strings.Lines(stdout) {
		var doc map[string]struct {
			Packets struct {
				Total  int
				Period struct {
					Start int64 `json:"start_ts"`
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(line), &doc))
		p := doc["10s"].Packets
		counts = append(counts, fmt.Sprint(time.Unix(p.Period.Start, 0).UTC().Format(time.TimeOnly), " ", p.Total))
	}
	require.Equal(t, []string{"00:00:00 3", "00:00:10 2", "00:00:25 1", "00:01:40 1"}, counts)

	for _, args := range [][]string{{"--step", "0"}, {"--step", "1500ms"}, {"--step", "-1m"}, {"--step", "1m", "--periods", "3"}, {"--step", "1m", "--format", "pktvisor"}} {
		code, _, stderr := call(t, nil, append(args, path)...)
		require.Equal(t, exitMisused, code)
		require.Contains(t, stderr, "--step")
	}
}

// TestFromTo selects a part of the input by all forms of time. The rest counts as filtered.
func TestFromTo(t *testing.T) {
	path := writeCapture(t, decode.LinkEthernet, 0, 10, 20, 30, 40)
	for _, tt := range []struct {
		from, to string
		want     uint64
	}{
		{"+10s", "", 4},
		{"", "+10s", 1},
		{"+10s", "+30s", 2},
		{"00:00:10", "00:00:31", 3},
		{"2026-01-01 00:00:10", "2026-01-01T01:00:40+01:00", 3},
		{"1767225610", "1767225630.5", 3},
		{"2026-01-01", "2026-01-02", 5},
	} {
		code, stdout, stderr := call(t, nil, "--from", tt.from, "--to", tt.to, path)
		require.Equal(t, exitDone, code, stderr)
		a := accountOf(t, stdout).Account
		require.Equal(t, []uint64{5, tt.want, 5 - tt.want}, []uint64{a.Offered, a.Analysed, a.Filtered}, "%s to %s", tt.from, tt.to)
	}
	for _, bad := range []string{"noon", "+", "+5", "+-3s", "-1", "25:00"} {
		code, _, stderr := call(t, nil, "--from", bad, path)
		require.Equal(t, exitMisused, code, bad)
		require.Contains(t, stderr, "--from "+bad+": must be a time")
	}
}

// TestFromAfterTo: a range that ends before it begins is a mistake, not an empty answer.
func TestFromAfterTo(t *testing.T) {
	path := writeCapture(t, decode.LinkEthernet, 0, 10, 20)
	policies := filepath.Join(t.TempDir(), "p.yaml")
	require.NoError(t, os.WriteFile(policies, []byte("visor: {policies: {p: {kind: collection, input: {tap: t, input_type: pcap}, handlers: {modules: {n: {type: net}}}}}}"), 0o600))
	for _, args := range [][]string{{"--from", "+20s", "--to", "+10s"}, {"--from", "00:00:10", "--to", "00:00:10"}, {"--from", "00:20", "--to", "00:10", "--policy", policies}} {
		code, stdout, stderr := call(t, nil, append(args, path)...)
		require.Equal(t, exitMisused, code, args)
		require.Regexp(t, `^visor-reader: --from 2026-01-01 00:\d\d:\d\d is not before --to 2026-01-01 00:\d\d:\d\d\n`, stderr)
		require.Empty(t, stdout)
	}
}

// TestMomentAfterMidnight checks that a time of day before the first packet means the next day.
func TestMomentAfterMidnight(t *testing.T) {
	m, err := parseMoment("--to", "00:05")
	require.NoError(t, err)
	first := time.Date(2026, 1, 31, 23, 50, 0, 0, time.UTC)
	require.Equal(t, time.Date(2026, 2, 1, 0, 5, 0, 0, time.UTC), m(first).UTC())
}

// TestTimeline checks the timeline of packets and the peak minute.
func TestTimeline(t *testing.T) {
	seconds := []int{0, 60, 120, 121, 122, 180, 240}
	path := writeCapture(t, decode.LinkEthernet, seconds...)
	_, stdout, _ := call(t, nil, "--format", "text", "--width", "80", path)
	require.Contains(t, stdout, "a column is 5s; peak minute 2026-01-01\n00:02 with 3\n")
	_, stdout, _ = call(t, nil, "--format", "json", path)
	var doc struct {
		Timeline map[string]struct {
			Start  time.Time
			Step   int
			Counts []int
			Peak   struct {
				Minute time.Time
				Count  int
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &doc))
	line := doc.Timeline["packets"]
	require.Equal(t, 5, line.Step)
	require.Len(t, line.Counts, 49)
	require.Equal(t, 3, line.Counts[24])
	require.Equal(t, []any{3, "2026-01-01T00:02:00Z"}, []any{line.Peak.Count, line.Peak.Minute.Format(time.RFC3339)})
}

// TestTop checks that --top sets the length of lists.
func TestTop(t *testing.T) {
	for n, want := range map[string]int{"3": 3, "25": 25} {
		_, stdout, _ := call(t, nil, "--top", n, "-H", trafficgen.LocalNets, sample)
		require.Len(t, parse(t, stdout)["4m"].Packets.TopIPv4, want)
	}
	code, _, stderr := call(t, nil, "--top", "0", sample)
	require.Equal(t, exitMisused, code)
	require.Contains(t, stderr, "--top 0: must be 1 or more")
}
