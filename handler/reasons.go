package handler

import (
	"errors"
	"fmt"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnstapmsg"
)

// failure is the reason why a frame could not be decoded. Decoders have few errors. The number of a
// link type comes from a capture file, whose interfaces are bounded.
type failure struct {
	link decode.LinkType
	err  error
}

func (f failure) String() string {
	switch {
	case errors.Is(f.err, decode.ErrUnknownLink):
		return fmt.Sprintf("unknown link type %d", f.link)
	case errors.Is(f.err, decode.ErrTruncated):
		return "packet truncated"
	case errors.Is(f.err, decode.ErrMalformed):
		return "packet malformed"
	case errors.Is(f.err, dnstapmsg.ErrTruncated):
		return "dnstap frame truncated"
	case errors.Is(f.err, dnstapmsg.ErrMalformed):
		return "dnstap frame malformed"
	case errors.Is(f.err, dnstapmsg.ErrNoMessage):
		return "dnstap frame without a message"
	}
	return f.err.Error()
}

// maxFailures bounds the number of separately counted failures.
const maxFailures = 64

// fail counts that p could not be decoded. The caller holds the worker's lock.
func (w *worker) fail(p *decode.Packet, err error) {
	f := failure{p.Link, err}
	if _, known := w.failures[f]; !known && len(w.failures) >= maxFailures {
		f = failure{err: errOther}
	}
	w.failures[f]++
}

var errOther = errors.New("other frames that cannot be decoded")

// reasons returns the reasons why frames of the worker's source were not analyzed.
func (w *worker) reasons() []capture.Reason {
	out := capture.ReasonsOf(w.src)
	w.mu.Lock()
	defer w.mu.Unlock()
	out = appendStrays(out, w.strays)
	for f, n := range w.failures {
		out = append(out, capture.Reason{Text: f.String(), Count: n})
	}
	refused := w.refused
	for _, m := range w.members {
		refused += m.refused()
	}
	frags := w.decoder.Stats()
	for _, r := range []capture.Reason{
		{Text: "IP datagram given up: too many are incomplete, or its fragments contradict each other", Count: frags.Evicted},
		{Text: "IP datagram given up: its fragments did not come in time", Count: frags.Expired},
		{Text: "left out of a list: keys that share their hash with four others", Count: refused},
	} {
		if r.Count > 0 {
			out = append(out, r)
		}
	}
	out = w.dns.appendReasons(out)
	if w.exports != nil {
		out = w.exports.appendReasons(out)
	}
	return out
}
