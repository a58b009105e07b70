package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"visor/export"
	"visor/export/findings"
)

// foundMsg is the agent's answer about findings.
type foundMsg struct {
	Active   []findings.Finding `json:"active"`   // the most urgent first
	Resolved []findings.Finding `json:"resolved"` // the latest first
	err      error
}

// all returns the findings that last, then the resolved ones.
func (f *foundMsg) all() []findings.Finding {
	return append(append([]findings.Finding{}, f.Active...), f.Resolved...)
}

// findingList is the screen of findings. It keeps the chosen finding while others come and go.
type findingList struct {
	key      string // of the chosen finding; "" is the first
	evidence bool   // its evidence is shown
	scroll   int    // first line of the evidence
}

// findings returns what stands out, in all policies. Agents of pktvisor have no findings.
func (c *client) findings(ctx context.Context) (f foundMsg) {
	f.err = c.do(ctx, http.MethodGet, "/api/v1/findings", nil, &f)
	if r, ok := errors.AsType[*refusal](f.err); ok && r.status == http.StatusNotFound {
		f.err = nil
	}
	return f
}

func (m *model) askFindings() tea.Cmd {
	return func() tea.Msg { return m.c.findings(context.Background()) }
}

// chosen returns the index of the chosen finding.
func (l *findingList) chosen(all []findings.Finding) int {
	for i := range all {
		if all[i].Key == l.key {
			return i
		}
	}
	return 0
}

// findingKey handles a key on the screen of findings.
func (m *model) findingKey(name string) tea.Cmd {
	l, all := m.list, m.found.all()
	at := l.chosen(all)
	switch name {
	case "q":
		return tea.Quit
	case "esc", "f":
		if l.evidence && name == "esc" {
			l.evidence = false
		} else {
			m.list = nil
		}
	case "enter":
		if at < len(all) {
			l.key, l.evidence, l.scroll = all[at].Key, true, 0
		}
	case "down", "j":
		l.move(all, at, 1)
	case "up", "k":
		l.move(all, at, -1)
	}
	return nil
}

// move scrolls the evidence, or chooses another finding.
func (l *findingList) move(all []findings.Finding, at, by int) {
	if l.evidence {
		l.scroll = max(0, l.scroll+by)
	} else if next := at + by; next >= 0 && next < len(all) {
		l.key = all[next].Key
	}
}

// severityStyle returns the style of a severity.
func (st styles) severityStyle(s findings.Severity) lipgloss.Style {
	switch s {
	case findings.Attack:
		return st.alarm
	case findings.Warning:
		return st.focus
	}
	return st.title
}

// banner returns the line about the most urgent finding that lasts, if there is one.
func (m *model) banner(st styles) []string {
	if len(m.found.Active) == 0 {
		return nil
	}
	first := &m.found.Active[0]
	hint := "  f: evidence"
	if n := len(m.found.Active); n > 1 {
		hint = fmt.Sprintf("  f: all %d", n)
	}
	text := strings.ToUpper(string(first.Severity)) + " " + printable(first.Text)
	line := st.severityStyle(first.Severity).Reverse(true).Render(" " + ansi.Truncate(text, max(0, m.width-len(hint)-2), "…") + " ")
	return []string{line + st.dim.Render(hint)}
}

// findingLines draws the list of findings, or the evidence of the chosen one.
func (m *model) findingLines(st styles, room int) []string {
	all := m.found.all()
	at := m.list.chosen(all)
	switch {
	case m.found.err != nil:
		return []string{"", st.alarm.Render("no answer about findings: ") + printable(reason(m.found.err))}
	case len(all) == 0:
		return []string{"", "nothing stands out"}
	case m.list.evidence:
		lines := evidenceLines(st, &all[at], m.width)
		m.list.scroll = min(m.list.scroll, max(0, len(lines)-room))
		lines = lines[m.list.scroll:]
		return lines[:min(len(lines), max(room, 0))]
	}
	lines := []string{st.title.Render(fmt.Sprintf("What stands out: %d now, %d resolved", len(m.found.Active), len(m.found.Resolved))), ""}
	room = max(1, room-len(lines))
	first := max(0, at-room+1)
	for i := first; i < min(len(all), first+room); i++ {
		lines = append(lines, findingLine(st, &all[i], i == at, m.width))
	}
	return lines
}

// findingLine is a line of the list.
func findingLine(st styles, f *findings.Finding, chosen bool, width int) string {
	state := string(f.Severity)
	if f.Resolved {
		state = resolvedWord(f)
	}
	line := fmt.Sprintf("%s  %-8s  %-12s  %s", f.Since.Local().Format("01-02 15:04"), state, ansi.Truncate(printable(f.Policy), 12, "…"), printable(f.Text))
	line = ansi.Truncate(line, width, "…")
	switch {
	case chosen:
		return st.chosen.Render(line)
	case f.Resolved:
		return st.dim.Render(line)
	}
	return st.severityStyle(f.Severity).Render(line)
}

// resolvedWord returns "usual" for a finding that is resolved because it has become usual.
func resolvedWord(f *findings.Finding) string {
	if f.Usual {
		return "usual"
	}
	return "resolved"
}

// evidenceLines describe a finding with its figures and its lists, two lists side by side if they
// fit.
func evidenceLines(st styles, f *findings.Finding, width int) (lines []string) {
	for _, line := range strings.Split(ansi.Wrap(strings.ToUpper(string(f.Severity))+" "+printable(f.Text), width, ""), "\n") {
		lines = append(lines, st.severityStyle(f.Severity).Render(line))
	}
	state := "lasts"
	if f.Resolved {
		state = resolvedWord(f)
	}
	lines = append(lines, fmt.Sprintf("%s %s · policy %s, module %s · from %s, %s · %s", f.Kind, printable(f.Subject), printable(f.Policy), printable(f.Module),
		f.Since.Local().Format(time.DateTime), export.Brief(f.Until.Sub(f.Since)), state), "")
	for _, figure := range f.Figures {
		lines = append(lines, figureLine(figure))
	}
	if len(f.Evidence.Examples) > 0 {
		lines = append(lines, "", st.label.Render("Examples"))
		for _, e := range f.Evidence.Examples {
			lines = append(lines, "  "+printable(e))
		}
	}
	return append(lines, evidenceGrid(st, &f.Evidence, width)...)
}

func figureLine(f findings.Figure) string {
	line := "  " + f.Name + ": " + amountOf(f.Value)
	if f.Unit != "" {
		line += " " + f.Unit
	}
	if f.Usual != nil {
		line += " (usual: " + amountOf(*f.Usual) + ")"
	}
	return line
}

// amountOf formats a number with at most two digits after the point.
func amountOf(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", x), "0"), ".")
}

// evidenceGrid draws the lists of the evidence.
func evidenceGrid(st styles, e *findings.Evidence, width int) (lines []string) {
	lists := []findings.List{{Name: "Clients", Items: e.Clients}, {Name: "Subnets", Items: e.Subnets}, {Name: "AS", Items: e.AS}, {Name: "Shares", Items: e.Shares}}
	var blocks [][]string
	columns := max(1, width/50)
	for _, l := range append(lists, e.Lists...) {
		if len(l.Items) > 0 {
			blocks = append(blocks, evidenceBlock(st, &l, width/columns-2))
		}
	}
	for len(blocks) > 0 {
		n := min(columns, len(blocks))
		var row []string
		for _, b := range blocks[:n] {
			row = append(row, lipgloss.NewStyle().Width(width/columns).Render(strings.Join(b, "\n")))
		}
		lines = append(lines, "")
		lines = append(lines, strings.Split(lipgloss.JoinHorizontal(lipgloss.Top, row...), "\n")...)
		blocks = blocks[n:]
	}
	return lines
}

// evidenceBlock draws a list.
func evidenceBlock(st styles, l *findings.List, width int) []string {
	lines := []string{st.label.Render(ansi.Truncate(printable(l.Name), width, "…"))}
	for _, p := range l.Items {
		it := item{name: p.Name, text: fmt.Sprintf("%d (%.1f%%)", p.Count, 100*p.Share)}
		lines = append(lines, "  "+entryLine(&it, &panel{}, nil, width-2))
	}
	return lines
}
