package export

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"visor/capture"
	"visor/handler"
)

// Report describes how an answer came about: the account of all input, and the part of it that the
// answer covers. Without it, an answer of zeros looks the same for an empty file, an unreadable
// file, and a filter that rejects everything.
type Report struct {
	Account  handler.Account  // account of frames
	Reasons  []capture.Reason // reasons why frames or their contents were not analysed
	Coverage Coverage
	Errors   []string // input that could not be read, or not to its end
	// the rest of the input was not read, because the program was interrupted
	Interrupted bool
	Hints       []string // suggestions for a better answer
	Unit        string   // name of a frame in text; "" means packets
	Done        string   // outcome of most frames in text; "" means analysed
	// bounds of the answer's values that are not as usual; see [Bounds]
	Bounds map[string]map[string]Bound
	// distribution of events over time; may be empty
	Timelines []Timeline
	// more top-level keys of the JSON document, such as "findings"; may be nil
	Extra map[string]any
}

// Coverage is the part of the input that an answer covers.
type Coverage struct {
	// frames in the periods of the answer, and all frames that passed the filter
	Frames, Of  uint64
	From, To    time.Time // start and end of the answer; zero if it covers nothing
	First, Last time.Time // first and last frame of the input; zero if there was none
}

// NewReport returns the report for the answer s of p.
func NewReport(p *handler.Pipeline, s *handler.Snapshot) Report {
	r := Report{Account: p.Account(), Reasons: append(p.Reasons(), unread(p)...)}
	r.Bounds = Bounds(s)
	r.Coverage.Of = r.Account.Offered - r.Account.Filtered - r.Account.Dropped
	r.Coverage.First, r.Coverage.Last = p.Span()
	for i := range s.Modules {
		m := &s.Modules[i]
		if m.Start.IsZero() || m.Frames < r.Coverage.Frames {
			continue
		}
		r.Coverage.Frames, r.Coverage.From, r.Coverage.To = m.Frames, m.Start, m.Start.Add(m.Length)
	}
	// lengths are in whole seconds
	if c := &r.Coverage; c.All() || c.To.Before(c.Last) && s.Window > 0 {
		c.To = c.Last
	}
	return r
}

// unread returns the reasons of handlers for messages of DHCP and BGP that are truncated or
// malformed in valid packets. The pipeline itself has the reasons for packets, DNS and flows.
func unread(p *handler.Pipeline) (out []capture.Reason) {
	accounts := p.HandlerAccounts()
	for _, r := range []struct{ module, text string }{
		{"dhcp", "DHCP message cut or malformed"}, {"bgp", "BGP message cut or malformed"},
	} {
		if n := accounts[r.module].Undecodable; n > 0 {
			out = append(out, capture.Reason{Text: r.text, Count: n})
		}
	}
	return out
}

// All reports whether the answer covers all of the input.
func (c *Coverage) All() bool { return c.Frames >= c.Of }

// maxReasons bounds the number of reasons in a line of text.
const maxReasons = 8

// Lines returns the report as text: errors, reasons, hints and bounds, if any. The last line is
// always the account and the coverage.
func (r *Report) Lines() []string {
	lines := make([]string, 0, len(r.Errors)+len(r.Hints)+2)
	for _, e := range r.Errors {
		lines = append(lines, printable(e))
	}
	if len(r.Reasons) > 0 {
		lines = append(lines, "left out: "+r.reasons())
	}
	lines = append(append(lines, r.Hints...), BoundLines(r.Bounds)...)
	return append(lines, r.account()+"; "+r.coverage())
}

func (r *Report) reasons() string {
	var parts []string
	for _, reason := range r.Reasons[:min(len(r.Reasons), maxReasons)] {
		parts = append(parts, fmt.Sprintf("%s (%s)", printable(reason.Text), thousands(reason.Count)))
	}
	if more := len(r.Reasons) - maxReasons; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more reasons", more))
	}
	return strings.Join(parts, ", ")
}

func (r *Report) account() string {
	a, unit := &r.Account, r.Unit
	if unit == "" {
		unit = "packets"
	}
	if a.Offered == 1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	head, done := thousands(a.Offered)+" "+unit, cmp.Or(r.Done, "analysed")
	switch {
	case a.Offered == 0:
		return "no " + unit
	// otherwise the contents of some frames were not analysed
	case a.Analysed == a.Offered && len(r.Reasons) == 0:
		return head + ", all " + done
	}
	parts := []string{thousands(a.Analysed) + " " + done}
	for _, p := range []struct {
		n    uint64
		what string
	}{{a.Filtered, "filtered"}, {a.NotSampled, "not sampled"}, {a.Undecodable, "undecodable"}, {a.Dropped, "dropped"}} {
		if p.n > 0 {
			parts = append(parts, thousands(p.n)+" "+p.what)
		}
	}
	return head + ": " + strings.Join(parts, ", ")
}

func (r *Report) coverage() string {
	c := &r.Coverage
	switch {
	case c.Of == 0:
		return "the answer is empty"
	case c.All() && (len(r.Errors) > 0 || r.Interrupted):
		return "the answer covers all that could be read, " + between(c.First, c.Last)
	case c.All():
		return "the answer covers all of the input, " + between(c.First, c.Last)
	case c.From.IsZero():
		return "the answer covers nothing of the input, " + between(c.First, c.Last)
	}
	return fmt.Sprintf("the answer covers %s of them (%s), the last %s of %s: %s", thousands(c.Frames), share(c.Frames, c.Of),
		Brief(c.To.Sub(c.From)), Brief(c.Last.Sub(c.First)), between(c.From, c.To))
}

// Brief formats a duration in whole seconds, without units that are zero: "1h30m". A duration below
// a second is "1s", and one from two days on begins with days: "31d".
func Brief(d time.Duration) string {
	d = max(d, time.Second).Round(time.Second)
	days := ""
	if d >= 48*time.Hour {
		if days, d = fmt.Sprintf("%dd", d/(24*time.Hour)), d%(24*time.Hour); d == 0 {
			return days
		}
	}
	rest := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(rest, zero) {
			rest = rest[:len(rest)-2]
		}
	}
	return days + rest
}

// between formats a range of time. It omits the date of the end if that equals the date of the
// start.
func between(from, to time.Time) string {
	from, to = from.UTC(), to.UTC()
	end := time.DateTime
	switch {
	case from.Format(time.DateTime) == to.Format(time.DateTime):
		return from.Format(time.DateTime) + " UTC"
	case from.Format(time.DateOnly) == to.Format(time.DateOnly):
		end = time.TimeOnly
	}
	return from.Format(time.DateTime) + " to " + to.Format(end) + " UTC"
}

// WriteReportJSON is [WriteJSON] with the keys of r beside the answer: "account", "coverage", and,
// if not empty, "errors", "hints", "bounds" and "timeline", and the keys of Extra.
func WriteReportJSON(w io.Writer, s *handler.Snapshot, r *Report) error {
	doc := object{window(s): schemaObjects(s)}
	maps.Copy(doc, r.object())
	return write(w, doc)
}

func (r *Report) object() object {
	account := struct {
		handler.Account
		Reasons []capture.Reason `json:"reasons"`
	}{r.Account, append([]capture.Reason{}, r.Reasons...)}
	c := &r.Coverage
	out := object{"account": account, "coverage": object{
		"frames": c.Frames, "of": c.Of, "from": stamp(c.From), "to": stamp(c.To), "first": stamp(c.First), "last": stamp(c.Last),
	}}
	if len(r.Errors) > 0 {
		out["errors"] = r.Errors
	}
	if len(r.Hints) > 0 {
		out["hints"] = r.Hints
	}
	if len(r.Bounds) > 0 {
		out["bounds"] = r.Bounds
	}
	maps.Copy(out, r.Extra)
	lines := make(object)
	for i := range r.Timelines {
		lines[r.Timelines[i].Name] = r.Timelines[i].object()
	}
	if len(lines) > 0 {
		out["timeline"] = lines
	}
	return out
}

// stamp returns a time for JSON, or null.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339Nano)
}
