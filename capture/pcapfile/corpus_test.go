package pcapfile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/internal/sharedtest"
)

// captures calls do for every capture below the corpus.
func captures(t *testing.T, do func(t *testing.T, root, path string)) {
	root := sharedtest.Dir(t, "corpus")
	found := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if slices.Contains([]string{"truth", "truth-of-corpus", "tools", "geo", "dnstap", "flowraw"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.Contains(d.Name(), ".pcap") || strings.HasSuffix(d.Name(), ".snoop") {
			found++
			t.Run(rel, func(t *testing.T) { do(t, root, rel) })
		}
		return nil
	}))
	require.Greater(t, found, 500)
}

// otherwise lists captures for which the answers differ from tshark's, with the reason.
var otherwise = map[string]string{
	"extra/hostile/nDPI-fuzz-2021-06-07-c6c72a0a56.pcap":     "tshark stops counting an original length of 4093509168 bytes at 2^31-1",
	"format/PcapPlusPlus-PcapExamples-pcapng-example.pcapng": "the last time is 2^64 minus 505 s in microseconds: beyond int64's nanoseconds",
	"format/gopacket-test011.pcapng":                         "begins with simple packet blocks, which have no time",
	"format/gopacket-test100.pcapng":                         "begins with a simple packet block, which has no time",
	"format/tcpdump-timestamp_invalid_micro.pcap":            "the last fraction of a second is 2^31 us: an overflow makes 0 of it in tshark",
}

// truth holds the answers of other tools about a capture; see README.md of the corpus.
type truth struct {
	Header *struct {
		Format  string `json:"format"`
		Links   []int  `json:"link_types"`
		Records int    `json:"records"`
		Cut     *int   `json:"cut"`
		Zero    *int   `json:"zero_captured"`
		Above   *int   `json:"captured_above_original"`
		Unread  int    `json:"unread_bytes"`
	} `json:"header"`
	Packets  json.RawMessage `json:"packets"` // a number, or an object in extra/
	First    string          `json:"first_ts"`
	Last     string          `json:"last_ts"`
	Captured int             `json:"bytes_captured"`
	Wire     int             `json:"bytes_on_wire"`
	Exit     int             `json:"tshark_exit"`
}

// summary holds the values that a test compares.
type summary struct {
	Records, Cut, Zero, Captured, Wire int
	First, Last                        int64
	Links                              []int
}

func summarize(frames []capture.Frame) (s summary) {
	for i, f := range frames {
		if i == 0 {
			s.First = f.TimeNS
		}
		s.Last = f.TimeNS
		s.Records++
		s.Captured += len(f.Data)
		s.Wire += int(f.WireLen)
		if int(f.WireLen) > len(f.Data) {
			s.Cut++
		}
		if len(f.Data) == 0 {
			s.Zero++
		}
		if !slices.Contains(s.Links, int(f.Link)) {
			s.Links = append(s.Links, int(f.Link))
		}
	}
	return s
}

// nanos converts "1340954905.298858000" to ns; an empty string is 0.
func nanos(t *testing.T, s string) int64 {
	if s == "" {
		return 0
	}
	sec, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	require.NoError(t, err)
	ns, err := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	require.NoError(t, err)
	return n*1e9 + ns
}

// openAll reads a capture of the corpus to its end.
func openAll(t *testing.T, path string) ([]capture.Frame, error) {
	r, err := pcapfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readAll(t, r)
}

func TestCorpusAgainstTruth(t *testing.T) {
	captures(t, func(t *testing.T, root, path string) {
		why, differs := otherwise[filepath.ToSlash(path)]
		name := filepath.Join(root, "truth", path+".json")
		if inner, ok := strings.CutPrefix(path, "extra"+string(filepath.Separator)); ok {
			name = filepath.Join(root, "extra", "truth", inner+".json")
		}
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			t.Skip("no truth for this capture")
		}
		require.NoError(t, err)
		var tr truth
		require.NoError(t, json.Unmarshal(text, &tr))
		frames, err := openAll(t, filepath.Join(root, path))
		if err != nil || differs {
			t.Log(err, why)
		}
		if tr.Header == nil {
			compareExtra(t, text, summarize(frames), err, differs)
			return
		}
		compare(t, tr, summarize(frames), err, differs)
	})
}

// compare compares a capture with truth/.
func compare(t *testing.T, tr truth, got summary, err error, differs bool) {
	h := tr.Header
	if h.Format != "other" {
		require.Equal(t, h.Records, got.Records, "records")
		for _, l := range got.Links {
			require.Contains(t, h.Links, l)
		}
	}
	if h.Format == "pcap" {
		require.Equal(t, *h.Cut, got.Cut)
		require.Equal(t, *h.Zero, got.Zero)
		require.Equal(t, h.Unread > 0, err != nil, "an error iff bytes are left")
	}
	packets, _ := strconv.Atoi(string(tr.Packets))
	if tr.Exit != 0 || packets != got.Records {
		t.Logf("tshark read %d packets, of %d", packets, got.Records)
		return
	}
	require.Equal(t, tr.Captured, got.Captured, "bytes captured")
	if h.Above == nil || *h.Above == 0 {
		require.Equal(t, tr.Wire, got.Wire, "bytes on the wire")
	}
	if differs {
		return
	}
	require.Equal(t, nanos(t, tr.First), got.First, "first time")
	require.Equal(t, nanos(t, tr.Last), got.Last, "last time")
}

// compareExtra compares a capture with extra/truth/.
func compareExtra(t *testing.T, text []byte, got summary, err error, differs bool) {
	var tr struct {
		Capinfos struct {
			Packets *int `json:"packets"`
			Exit    int  `json:"exit"`
			Said    []string
		} `json:"capinfos"`
		Packets struct {
			Frames   int    `json:"frames"`
			First    string `json:"first_ts"`
			Last     string `json:"last_ts"`
			Wire     int    `json:"wire_bytes"`
			Captured int    `json:"captured_bytes"`
			Cut      int    `json:"cut_frames"`
			Zero     int    `json:"zero_length_frames"`
			NoTime   int    `json:"frames_without_time"`
		} `json:"packets"`
	}
	require.NoError(t, json.Unmarshal(text, &tr))
	p := tr.Packets
	if tr.Capinfos.Packets == nil || tr.Capinfos.Exit != 0 {
		t.Logf("capinfos: %v; tshark read %d frames; here %d and %v", tr.Capinfos.Said, p.Frames, got.Records, err)
		return
	}
	require.NoError(t, err)
	require.Equal(t, *tr.Capinfos.Packets, got.Records)
	if p.Frames != got.Records {
		t.Logf("tshark read %d frames, of %d", p.Frames, got.Records)
		return
	}
	if differs {
		return
	}
	require.Equal(t, []int{p.Captured, p.Wire, p.Cut, p.Zero}, []int{got.Captured, got.Wire, got.Cut, got.Zero})
	if p.NoTime == 0 {
		require.Equal(t, nanos(t, p.First), got.First)
		require.Equal(t, nanos(t, p.Last), got.Last)
	}
}

// TestCorpusForms checks that a pipe, gzip and zstd yield the same frames as a mapped file.
func TestCorpusForms(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	captures(t, func(t *testing.T, root, path string) {
		file, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		all, allErr := openAll(t, filepath.Join(root, path))
		forms := map[string]io.Reader{"pipe": pipe(t, file)}
		if !strings.HasSuffix(path, ".gz") && !strings.HasSuffix(path, ".zst") {
			forms["gzip"] = bytes.NewReader(gzipped(t, file))
			forms["zstd"] = bytes.NewReader(enc.EncodeAll(file, nil))
		}
		for form, in := range forms {
			r, err := pcapfile.NewReader(in, filepath.Join(root, path))
			var got []capture.Frame
			if err == nil {
				got, err = readAll(t, r)
				require.NoError(t, r.Close())
			}
			require.Equal(t, fmt.Sprint(allErr), fmt.Sprint(err), form)
			require.Equal(t, all, got, form)
		}
	})
}

// pipe returns the read end of a pipe that delivers data.
func pipe(t *testing.T, data []byte) io.Reader {
	in, out, err := os.Pipe()
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = out.Write(data)
		out.Close()
	}()
	t.Cleanup(func() {
		in.Close()
		<-done
	})
	return in
}
