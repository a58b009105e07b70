package pcapfile_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
)

func TestWriterRoundTrip(t *testing.T) {
	in := []capture.Frame{
		want(1_700_000_000_123_456_789, "abc", 60, 1), want(0, "", 5, 1), want(-5, "abcd", 0, 1),
		want(math.MaxInt64, strings.Repeat("x", 1000), 1000, 1),
	}
	other := want(7, "other link", 10, 276)
	for _, tt := range []struct {
		name  string
		cfg   pcapfile.WriterConfig
		times []int64
		other bool
	}{
		{"pcap", pcapfile.WriterConfig{Link: 1}, []int64{1_700_000_000_123_456_789, 0, 0, math.MaxUint32*second + 999_999_999}, false},
		{"pcap in microseconds", pcapfile.WriterConfig{Link: 1, Micros: true},
			[]int64{1_700_000_000_123_456_000, 0, 0, math.MaxUint32*second + 999_999_000}, false},
		{"pcapng", pcapfile.WriterConfig{Format: pcapfile.PcapNG}, []int64{1_700_000_000_123_456_789, 0, 0, math.MaxInt64}, true},
		{"snaplen", pcapfile.WriterConfig{Link: 1, Snaplen: 2}, []int64{1_700_000_000_123_456_789, 0, 0, math.MaxUint32*second + 999_999_999}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			w, err := pcapfile.NewWriter(&out, tt.cfg)
			require.NoError(t, err)
			var expected []capture.Frame
			for i, f := range in {
				require.NoError(t, w.WriteFrame(f))
				f.TimeNS, f.WireLen = tt.times[i], max(f.WireLen, uint32(len(f.Data)))
				if tt.cfg.Snaplen > 0 {
					f.Data = f.Data[:min(len(f.Data), tt.cfg.Snaplen)]
				}
				expected = append(expected, f)
			}
			if tt.other {
				require.NoError(t, w.WriteFrame(other))
				expected = append(expected, other)
			} else {
				require.ErrorIs(t, w.WriteFrame(other), pcapfile.ErrLinkType)
			}
			require.NoError(t, w.Flush())
			got, err := read(t, out.Bytes())
			require.NoError(t, err)
			require.Equal(t, expected, got)
		})
	}
}

func TestWriterErrors(t *testing.T) {
	_, err := pcapfile.NewWriter(nil, pcapfile.WriterConfig{Snaplen: -1})
	require.Error(t, err)
	_, err = pcapfile.NewWriter(nil, pcapfile.WriterConfig{Snaplen: 1 << 20})
	require.Error(t, err)
	_, err = pcapfile.NewWriter(nil, pcapfile.WriterConfig{Format: 9})
	require.Error(t, err)

	full := errors.New("disk full")
	w, err := pcapfile.NewWriter(failing{full}, pcapfile.WriterConfig{})
	require.NoError(t, err)
	big := capture.Frame{Data: make([]byte, 100_000)}
	require.ErrorIs(t, w.WriteFrame(big), full)
	require.ErrorIs(t, w.Flush(), full)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriterAllocs(t *testing.T) {
	for _, format := range []pcapfile.Format{pcapfile.Pcap, pcapfile.PcapNG} {
		w, err := pcapfile.NewWriter(discard{}, pcapfile.WriterConfig{Format: format, Link: 1})
		require.NoError(t, err)
		f := want(1, "data of a frame", 60, 1)
		require.NoError(t, w.WriteFrame(f))
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = w.WriteFrame(f) }))
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
