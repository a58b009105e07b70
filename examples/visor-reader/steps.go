package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"visor/export"
	"visor/handler"
	"visor/handler/dns"
	"visor/handler/metric"
	"visor/handler/network"
)

// steps writes each step of --step as it closes: a row of a table, or a line of JSON.
type steps struct {
	out    io.Writer
	format string
	step   time.Duration
	width  int
	rows   int
	end    time.Time // end of the last step
	err    error     // first error of writing
}

// add writes a closed step.
func (s *steps) add(snap *handler.Snapshot) {
	if s.err != nil {
		return
	}
	if s.format != formatText {
		s.err = export.WriteJSON(s.out, snap)
		return
	}
	var b strings.Builder
	if s.rows == 0 {
		b.WriteString(s.cut(stepHeader) + "\n")
	}
	m := &snap.Modules[0]
	if !s.end.IsZero() && m.Start.Sub(s.end) >= s.step {
		fmt.Fprintf(&b, "%19s  %s\n", "", "nothing for "+export.Brief(m.Start.Sub(s.end)))
	}
	b.WriteString(s.cut(stepRow(snap)) + "\n")
	s.rows, s.end = s.rows+1, m.Start.Add(s.step)
	_, s.err = io.WriteString(s.out, b.String())
}

// numberEnds are where the columns of numbers end, the last one before the names.
var numberEnds = [...]int{31, 41, 51, 61, 71, 80}

// cut shortens a row to the width of the terminal. A number is shown whole or not at all.
func (s *steps) cut(row string) string {
	row = strings.TrimRight(row, " ")
	r, numbers := []rune(row), numberEnds[len(numberEnds)-1]
	switch {
	case s.width <= 0 || len(r) <= s.width:
		return row
	case s.width > numbers+3:
		return string(r[:s.width-1]) + "…"
	}
	end := numberEnds[0]
	for _, e := range numberEnds {
		if e <= s.width {
			end = e
		}
	}
	return string(r[:min(end, len(r))])
}

const stepHeader = "UTC                     packets   queries   replies  NXDOMAIN  SERVFAIL    asked  top name                  top address"

// stepRow returns the counts of a step, and its heaviest name and address.
func stepRow(snap *handler.Snapshot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %10d", snap.Modules[0].Start.UTC().Format(time.DateTime), snap.Modules[0].Frames)
	d := dns.From(snap)
	if d == nil {
		d = new(dns.Metrics)
	}
	for _, n := range []uint64{d.Queries.Value(), d.Replies.Value(), d.NXDomain.Value(), d.ServFail.Value()} {
		fmt.Fprintf(&b, " %9d", n)
	}
	address := ""
	if n := network.From(snap); n != nil {
		address = first(append(n.TopIPv4.Items(1), n.TopIPv6.Items(1)...))
	}
	fmt.Fprintf(&b, " %8d  %-24s  %s", d.QName.Estimate(), first(d.TopQName3.Items(1)), address)
	return b.String()
}

// first returns the name of the heaviest item.
func first(items []metric.Item) string {
	best := metric.Item{}
	for _, it := range items {
		if it.Estimate > best.Estimate {
			best = it
		}
	}
	return export.Readable(best.Name)
}
