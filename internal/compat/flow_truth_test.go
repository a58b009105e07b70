package compat_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/gopkt"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/decode/netflow"
	"visor/decode/sflow"
	"visor/internal/sharedtest"
)

// exports sums up visor's results for a sequence of export datagrams.
type exports struct {
	nf       *netflow.Decoder
	sf       *sflow.Decoder
	headers  *decode.Decoder
	bytes    uint64 // as exported
	packets  uint64
	scaled   [2]uint64 // bytes and packets, multiplied by the sampling rates
	datagram decode.FlowDatagram
}

func newExports() *exports {
	return &exports{nf: netflow.New(netflow.Config{}), sf: sflow.New(), headers: decode.NewDecoder(decode.Config{Fallback: gopkt.Fallback{}})}
}

// add reads a datagram if it is from a flow exporter.
func (x *exports) add(tsNS int64, session decode.FlowSession, b []byte) {
	if len(b) < 4 {
		return
	}
	switch binary.BigEndian.Uint16(b) {
	case 0:
		x.sf.Decode(tsNS, session, b, &x.datagram)
	case 1, 5, 7, 9, 10:
		x.nf.Decode(tsNS, session, b, &x.datagram)
	default:
		return
	}
	for _, f := range x.datagram.Flows {
		rate := uint64(max(f.Sampling, 1))
		x.bytes += f.Bytes
		x.packets += f.Packets
		x.scaled[0] += f.Bytes * rate
		x.scaled[1] += f.Packets * rate
	}
}

// addFile reads the datagrams of a capture.
func (x *exports) addFile(t *testing.T, path string) {
	src, err := pcapfile.Open(path)
	require.NoError(t, err)
	defer src.Close()
	d := decode.NewDecoder(decode.Config{Fallback: gopkt.Fallback{}})
	var batch capture.Batch
	for {
		err := src.ReadBatch(&batch)
		d.Reset()
		for _, f := range batch.Frames {
			p := decode.Packet{TimeNS: f.TimeNS, Frame: f.Data, WireLen: f.WireLen, Link: f.Link}
			_ = d.Decode(&p)
			if in := p.Innermost(); in.Layers.Has(decode.LayerUDP) && !in.Layers.Has(decode.LayerFragment) {
				x.add(f.TimeNS, decode.FlowSession{From: in.Src, To: in.Dst}, in.Payload)
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// flowTruth is the result of tshark and nfdump for export datagrams. The first kind of truth has
// the upper fields, the second the lower ones.
type flowTruth struct {
	Flow struct {
		DataRecords     *uint64           `json:"data_records"`
		OptionRecords   uint64            `json:"option_records"`
		Templates       uint64            `json:"templates"`
		OptionTemplates uint64            `json:"option_templates"`
		Orphans         uint64            `json:"sets_without_template"`
		FlowSamples     *uint64           `json:"sflow_flow_samples"`
		CounterSamples  uint64            `json:"sflow_counter_samples"`
		Sums            map[string]uint64 `json:"sums"`

		Datagrams uint64 `json:"datagrams"`
		Cflow     *struct {
			Records uint64 `json:"records"`
			Octets  uint64 `json:"octets"`
			Packets uint64 `json:"packets"`
		} `json:"cflow"`
		Sflow *struct {
			Types map[string]uint64 `json:"sample_types"`
		} `json:"sflow"`
		Nfdump map[string]struct {
			Flows, Bytes, Packets uint64
		} `json:"nfdump"`
	} `json:"flow"`
}

func readFlowTruth(t *testing.T, path string) (want flowTruth) {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &want))
	return want
}

// TestTruthFlow compares counts of datagrams, records and samples, and sums of bytes and packets,
// with tshark's and nfdump's.
func TestTruthFlow(t *testing.T) {
	root := sharedtest.Dir(t, "corpus")
	reasons := differences(t, "testdata/flow-differences.tsv")
	compared := 0
	check := func(name, what string, want, got uint64) {
		compared++
		if why := reasons.use(name+" "+what, want != got); why == "" && want != got {
			t.Errorf("%s: %s: truth %d, visor %d", name, what, want, got)
		}
	}
	for _, name := range captures(t, root) {
		if want := readFlowTruth(t, filepath.Join(root, "truth", name+".json")); want.Flow.Datagrams > 0 {
			x := newExports()
			x.addFile(t, filepath.Join(root, name))
			compareFlow(name, &want, x, check)
		}
	}
	extra := filepath.Join(root, "extra")
	for _, path := range glob(t, filepath.Join(extra, "truth", "flow", "*.json")) {
		name := "flow/" + strings.TrimSuffix(filepath.Base(path), ".json")
		want := readFlowTruth(t, path)
		x := newExports()
		x.addFile(t, filepath.Join(extra, name))
		compareFlow("extra/"+name, &want, x, check)
	}
	for group, files := range rawGroups(t, filepath.Join(extra, "flowraw"), filepath.Join(extra, "truth", "flowraw")) {
		want := readFlowTruth(t, filepath.Join(extra, "truth", "flowraw", group+".json"))
		x := newExports()
		for i, file := range files {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			x.add(int64(i), decode.FlowSession{}, b)
		}
		compareFlow("extra/flowraw/"+group, &want, x, check)
	}
	require.Greater(t, compared, 300)
	reasons.requireAllUsed(t)
}

func glob(t *testing.T, pattern string) []string {
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	return files
}

// rawGroups returns the raw datagrams by their truth file, datagrams with templates first.
func rawGroups(t *testing.T, dir, truth string) map[string][]string {
	out := make(map[string][]string)
	for _, file := range glob(t, filepath.Join(dir, "*.dat")) {
		best := ""
		for _, path := range glob(t, filepath.Join(truth, "*.json")) {
			group := strings.TrimSuffix(filepath.Base(path), ".json")
			if strings.HasPrefix(filepath.Base(file), group) && len(group) > len(best) {
				best = group
			}
		}
		require.NotEmpty(t, best, file)
		out[best] = append(out[best], file)
	}
	for _, files := range out {
		slices.SortStableFunc(files, func(a, b string) int {
			has := func(s string) int { return strings.Count(filepath.Base(s), "tpl") }
			return has(b) - has(a)
		})
	}
	return out
}

// compareFlow compares visor's results with the truth.
func compareFlow(name string, want *flowTruth, x *exports, check func(name, what string, want, got uint64)) {
	nf, sf, w := x.nf.Stats(), x.sf.Stats(), &want.Flow
	check(name, "datagrams", w.Datagrams, nf.Datagrams+sf.Datagrams)
	if w.DataRecords != nil {
		check(name, "data records", *w.DataRecords, nf.Flows)
		check(name, "option records", w.OptionRecords, nf.OptionRecords)
		check(name, "templates", w.Templates, nf.Templates)
		check(name, "option templates", w.OptionTemplates, nf.OptionTemplates)
		check(name, "sets without template", w.Orphans, nf.HeldSets)
		check(name, "octets", w.Sums["cflow.octets"], x.bytes)
		check(name, "packets", w.Sums["cflow.packets"], x.packets)
	}
	if w.FlowSamples != nil {
		check(name, "flow samples", *w.FlowSamples, sf.Flows)
		check(name, "counters samples", w.CounterSamples, sf.Counters)
	}
	if w.Cflow != nil {
		check(name, "records", w.Cflow.Records, nf.Flows+nf.OptionRecords)
		check(name, "octets", w.Cflow.Octets, x.bytes)
		check(name, "packets", w.Cflow.Packets, x.packets)
	}
	if w.Sflow != nil {
		check(name, "flow samples", w.Sflow.Types["1"]+w.Sflow.Types["3"], sf.Flows)
		check(name, "counters samples", w.Sflow.Types["2"]+w.Sflow.Types["4"], sf.Counters)
	}
	for tool, n := range w.Nfdump {
		what := fmt.Sprint(tool, " ")
		check(name, what+"flows", n.Flows, nf.Flows+sf.Flows)
		check(name, what+"bytes", n.Bytes, x.scaled[0])
		check(name, what+"packets", n.Packets, x.scaled[1])
	}
}
