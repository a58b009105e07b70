package flow_test

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/collector"
	"visor/capture/pcapfile"
	"visor/decode"
	"visor/decode/netflow"
	"visor/decode/sflow"
)

// recorder keeps the datagrams that a collector receives, so that a failure shows the flows that
// differ.
type recorder struct {
	*collector.Source
	mu     sync.Mutex
	frames []capture.Frame
}

func (r *recorder) ReadBatch(b *capture.Batch) error {
	err := r.Source.ReadBatch(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range b.Frames {
		f.Data = bytes.Clone(f.Data)
		r.frames = append(r.frames, f)
	}
	return err
}

// talk has the addresses and ports of a flow, and its protocol.
type talk struct {
	src, dst netip.AddrPort
	proto    uint8
}

// reported returns the packets by flow in all datagrams.
func (r *recorder) reported() map[talk]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[talk]uint64)
	dec, headers := decode.NewDecoder(decode.Config{}), decode.NewDecoder(decode.Config{})
	flows, samples := netflow.New(netflow.Config{}), sflow.New()
	var e decode.FlowDatagram
	for _, f := range r.frames {
		p := decode.Packet{TimeNS: f.TimeNS, Frame: f.Data, WireLen: f.WireLen, Link: f.Link}
		if dec.Reset(); dec.Decode(&p) != nil {
			continue
		}
		session := decode.FlowSession{From: p.Src, To: p.Dst}
		// the version of sFlow has 32 bits
		if len(p.Payload) > 3 && p.Payload[0] == 0 && p.Payload[1] == 0 {
			samples.Decode(p.TimeNS, session, p.Payload, &e)
		} else {
			flows.Decode(p.TimeNS, session, p.Payload, &e)
		}
		for i := range e.Flows {
			f := &e.Flows[i]
			if len(f.Header) > 0 {
				headers.AddHeader(f)
			}
			out[talk{netip.AddrPortFrom(f.Src, f.SrcPort), netip.AddrPortFrom(f.Dst, f.DstPort), f.Proto}] += f.Packets
		}
	}
	return out
}

// sentFlows returns the packets by flow in a capture.
func sentFlows(t *testing.T, path string) map[talk]uint64 {
	r, err := pcapfile.Open(path)
	require.NoError(t, err)
	defer r.Close()
	out := make(map[talk]uint64)
	dec := decode.NewDecoder(decode.Config{})
	var b capture.Batch
	for r.ReadBatch(&b) != io.EOF {
		for _, f := range b.Frames {
			p := decode.Packet{TimeNS: f.TimeNS, Frame: f.Data, WireLen: f.WireLen, Link: f.Link}
			dec.Reset()
			_ = dec.Decode(&p) // what has no IP header is in no flow
			if p.Layers.Has(decode.LayerIP) {
				out[talk{p.Src, p.Dst, p.Proto}]++
			}
		}
	}
	return out
}

// difference lists flows whose packets differ, at most ten.
func difference(want, got map[talk]uint64) string {
	var out []string
	for e, n := range got {
		if want[e] != n {
			out = append(out, fmt.Sprintf("%v: %d packets, not %d", e, n, want[e]))
		}
	}
	for e, n := range want {
		if _, ok := got[e]; !ok {
			out = append(out, fmt.Sprintf("%v: none, not %d", e, n))
		}
	}
	slices.Sort(out)
	return fmt.Sprintf("%d flows differ: %s", len(out), strings.Join(out[:min(len(out), 10)], "; "))
}
