package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"visor/export"
	"visor/export/findings"
	"visor/export/rssac002"
	"visor/handler"
	"visor/handler/asks"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/sketch"
)

// networkName is the name of the handler that receives every packet.
const networkName = "net"

// write writes the answer and the report. The report follows a text answer, is written to standard
// error, or is part of the JSON.
func (j *job) write(ctx context.Context, p *handler.Pipeline) error {
	snap, err := j.answer(p)
	if err != nil {
		return err
	}
	report := j.report(ctx, p, snap)
	if j.writeTo != "" {
		out := *snap
		out.Input = handler.Input{Account: p.Account(), Reasons: p.Reasons()}
		j.complain(j.writeSnapshot(&out)) // the answer is shown all the same
	}
	switch {
	case j.step > 0:
		err = j.steps.err
	case j.format == formatPktvisor:
		err = export.WriteJSON(j.stdout, snap)
	case j.format == formatRSSAC:
		err = j.writeRSSAC(snap)
	case j.format == formatJSON:
		err = export.WriteReportJSON(j.stdout, snap, &report)
	default:
		err = j.writeText(snap, &report)
	}
	if _, terminal := terminalWidth(j.stdout); err == nil && (j.format != formatText || !terminal || j.step > 0) {
		for _, line := range report.Lines()[len(report.Errors):] { // the errors were printed before
			fmt.Fprintln(j.stderr, "visor-reader:", line)
		}
	}
	return err
}

// writeRSSAC writes the YAML of RSSAC002.
func (j *job) writeRSSAC(snap *handler.Snapshot) error {
	return rssac002.Write(j.stdout, snap, rssac002.Config{Service: j.service})
}

// answer returns the answer to show. With --step it has been written already, and the report only
// needs the last step.
func (j *job) answer(p *handler.Pipeline) (*handler.Snapshot, error) {
	switch {
	case j.periods > 1:
		return p.Window(j.periods)
	case j.periods == 0 && j.step == 0 && !j.whole.empty():
		return j.whole.snapshot()
	}
	return p.Bucket(0)
}

// writeText writes everything at once, so that a reader that closes after the beginning causes no
// error.
func (j *job) writeText(snap *handler.Snapshot, report *export.Report) error {
	var b bytes.Buffer
	if err := findings.WriteText(&b, j.striking.findings(), findings.TextConfig{Width: j.width, Color: j.color}); err != nil {
		return err
	}
	for i := range report.Timelines {
		b.WriteString(report.Timelines[i].Columns() + "\n" + wrap(report.Timelines[i].Caption(), j.width) + "\n")
	}
	if m := asks.From(snap); m != nil {
		j.writeAsks(&b, m, report)
	} else if err := export.WriteText(&b, snap, export.TextConfig{Width: j.width, Color: j.color, All: j.all}); err != nil {
		return err
	}
	for _, line := range report.Lines() {
		b.WriteString(wrap(line, j.width) + "\n")
	}
	_, err := j.stdout.Write(b.Bytes())
	return err
}

// wrap breaks a line between words if it is longer than width.
func wrap(line string, width int) string {
	var b strings.Builder
	used := 0
	for i, word := range strings.Fields(line) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case width > 0 && used+1+n > width:
			b.WriteString("\n")
			used = 0
		default:
			b.WriteString(" ")
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}

// report returns the account of all input, and suggestions for a better answer.
func (j *job) report(ctx context.Context, p *handler.Pipeline, snap *handler.Snapshot) export.Report {
	r := export.NewReport(p, snap)
	if j.input == inputDNSTap {
		r.Unit = "messages"
	}
	r.Interrupted = ctx.Err() != nil
	for _, err := range j.problems {
		r.Errors = append(r.Errors, err.Error())
	}
	notSampled := min(p.HandlerAccounts()[networkName].NotSampled, r.Account.Analysed)
	r.Account.NotSampled, r.Account.Analysed = notSampled, r.Account.Analysed-notSampled

	if j.step > 0 { // snap is only the last step
		r.Coverage.Frames, r.Coverage.From, r.Coverage.To = r.Coverage.Of, r.Coverage.First, r.Coverage.Last
	}
	r.Timelines = j.timelines(snap)
	if j.noFlows(snap, &r) {
		r.Done = "read"
	}
	r.Hints = j.hints(ctx, snap, &r)
	r.Extra = j.striking.extra()
	return r
}

// timelines returns the timelines of packets and DNS messages. It omits a timeline of one step.
func (j *job) timelines(snap *handler.Snapshot) (out []export.Timeline) {
	if j.step > 0 {
		return nil
	}
	add := func(name string, r *sketch.Rate) {
		if t := export.NewTimeline(name, r, j.width); len(t.Counts) > 1 {
			out = append(out, t)
		}
	}
	if m := network.From(snap); m != nil {
		add("packets", &m.RateTotal)
	}
	if m := dns.From(snap); m != nil {
		add("DNS", &m.RateTotal)
	}
	if m := asks.From(snap); m != nil {
		add("asked", &m.RateTotal)
	}
	return out
}

// noFlows reports whether flow records were expected, but the input has only packets.
func (j *job) noFlows(snap *handler.Snapshot, r *export.Report) bool {
	flows := j.input == inputNetFlow || j.input == inputSFlow
	return flows && r.Coverage.Frames > 0 && !export.Counted(&snap.Modules[0])
}

// exportPorts are the usual ports of flow exports, with the input that reads them.
var exportPorts = map[string]string{"2055": inputNetFlow, "4739": inputNetFlow, "9995": inputNetFlow, "9996": inputNetFlow, "6343": inputSFlow}

// exports returns the port that more than half of the packets go to, and the input that reads them,
// if it is a port of flow exports.
func exports(m *network.Metrics) (port, input string) {
	if m == nil {
		return "", ""
	}
	for _, it := range m.TopDstPorts.Items(1) {
		if it.Estimate > m.TopDstPorts.Total()/2 {
			return it.Name, exportPorts[it.Name]
		}
	}
	return "", ""
}

// hints returns the reasons for an empty answer, and suggestions for a better one.
func (j *job) hints(ctx context.Context, snap *handler.Snapshot, r *export.Report) (out []string) {
	hint := func(when bool, text string, args ...any) {
		if when {
			out = append(out, fmt.Sprintf(text, args...))
		}
	}
	hint(ctx.Err() != nil, "interrupted: the rest of the input was not read")
	if r.Account.Offered > 0 && r.Account.Filtered == r.Account.Offered {
		timed := j.from != nil || j.to != nil
		hint(j.filter != "" && !timed, "-b %s lets no packet through", j.filter)
		hint(j.filter == "" && timed, "no packet is in the time of --from and --to")
		hint(j.filter != "" && timed, "-b %s lets no packet through in the time of --from and --to", j.filter)
	}
	hint(j.noFlows(snap, r),
		"no flow record was found: without -i %s the packets themselves are summarised", j.input)
	m := network.From(snap)
	port, flows := exports(m)
	hint(flows != "", "most packets go to port %s, where devices export flows: -i %s summarises the flows", port, flows)
	unknown := m != nil && m.Total.Value() > 0 && m.Unknown.Value() == m.Total.Value()
	hint(unknown && j.hosts.Empty(), "the direction of all packets is unknown: "+
		"with -H and your networks, directions are known, remote addresses are listed and DNS transactions timed")
	hint(unknown && !j.hosts.Empty(), "the direction of all packets is unknown: no packet is from or to the networks of -H")
	hint(!r.Coverage.All() && j.periods > 1, "without --periods the answer has all %s of the input",
		export.Brief(r.Coverage.Last.Sub(r.Coverage.First)))
	return out
}
