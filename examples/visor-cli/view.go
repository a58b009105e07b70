package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"visor/export"
)

// styles use the colours of the terminal's palette, which suit light and dark backgrounds.
type styles struct{ title, focus, label, dim, alarm, chosen lipgloss.Style }

func newStyles() styles {
	plain := lipgloss.NewStyle()
	return styles{
		title: plain.Bold(true).Foreground(lipgloss.Color("6")), focus: plain.Bold(true).Foreground(lipgloss.Color("3")),
		label: plain.Foreground(lipgloss.Color("2")), dim: plain.Faint(true), alarm: plain.Bold(true).Foreground(lipgloss.Color("1")),
		chosen: plain.Reverse(true),
	}
}

// View draws the screen.
func (m *model) View() tea.View {
	st := newStyles()
	title, header := m.titleLine(st), append(m.banner(st), m.header(st)...)
	if m.list != nil {
		header = nil
	}
	body := append(header, m.body(st, m.height-2-len(header))...)
	if m.err != nil && m.now != nil {
		for i := range body { // the data are outdated
			body[i] = st.dim.Render(ansi.Strip(body[i]))
		}
	}
	lines := append([]string{title}, body...)
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, m.height-1)], m.footer(st))
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "…")
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	v.WindowTitle = "visor-cli " + m.policy
	return v
}

// body draws the part below the header, up to room lines.
func (m *model) body(st styles, room int) []string {
	switch {
	case m.help:
		lines := []string{"", st.title.Render("Keys"), ""}
		lines = append(lines, strings.Split(keyHelp("  "), "\n")...)
		return append(lines, st.dim.Render("any key goes back"))
	case m.choice != nil:
		return m.choiceLines(st, room)
	case m.list != nil:
		return m.findingLines(st, room)
	case m.now == nil && m.err != nil:
		return m.startScreen(st)
	case m.now == nil:
		return nil
	case len(m.panels()) == 0:
		return []string{"", "nothing was counted yet"}
	}
	return m.grid(st, room)
}

func (m *model) titleLine(st styles) string {
	line := st.title.Render("visor-cli")
	if m.drill != nil {
		return line + " Policy: " + m.policy + " › behind " + st.focus.Render(printable(m.drill.title))
	}
	line += " Policy: " + st.focus.Render(m.policy)
	for i, p := range periods {
		name := " " + p.name + " "
		if i == m.period {
			name = st.chosen.Render(name)
		}
		line += " " + name
	}
	server := m.server
	if server == "" {
		server = "?"
	}
	if m.width < 100 && m.now != nil { // the header has no space for it
		return line + " " + m.timeWindow()
	}
	return line + st.dim.Render(fmt.Sprintf(" (client: %s | server: %s)", version(), printable(server)))
}

// segments joins as many parts as fit.
func (m *model) segments(parts ...string) string {
	line := ""
	for _, part := range parts {
		next := part
		if line != "" {
			next = line + " | " + part
		}
		if ansi.StringWidth(next) > m.width {
			break
		}
		line = next
	}
	return line
}

// header returns lines for the metrics that the policy has.
func (m *model) header(st styles) (lines []string) {
	if m.now == nil {
		if m.err != nil {
			return nil
		}
		return []string{st.dim.Render("waiting for " + m.c.base + " …")}
	}
	spark := min(samples, max(8, m.width/8))
	s := m.now
	if s.schemas["packets"] || s.schemas["net"] {
		lines = append(lines, m.packetLine(st), m.rateLine(st, spark))
	}
	if s.schemas["dhcp"] && s.dhcp.total > 0 {
		lines = append(lines, m.dhcpLine(st))
	}
	if !s.schemas["dns"] {
		return append(lines, m.segments(m.timeWindow()))
	}
	return append(lines, m.dnsLines(st, spark)...)
}

func (m *model) packetLine(st styles) string {
	p := &m.now.packets
	known := p.total - p.unknown
	return m.segments(st.label.Render("Pkts ")+count(p.total), share("UDP", p.udp, p.total), share("TCP", p.tcp, p.total), share("Other", p.other, p.total),
		share("IPv4", p.ipv4, p.total), share("IPv6", p.ipv6, p.total), share("In", p.in, known), share("Out", p.out, known),
		share("Deep Samples", p.deep, p.events))
}

func (m *model) dnsLines(st styles, spark int) []string {
	d := &m.now.dns
	return []string{
		m.segments(st.label.Render("DNS Wire Pkts ")+count(d.total)+"/"+count(d.events), rate("Rates Total", d.rate)+" "+sparkline(m.queries, spark),
			share("UDP", d.udp, d.total), share("TCP", d.tcp, d.total), share("IPv4", d.ipv4, d.total), share("IPv6", d.ipv6, d.total),
			share("Query", d.queries, d.total), share("Response", d.replies, d.total)),
		m.segments(st.label.Render("DNS Xacts ")+count(d.xacts), "Timed Out "+count(d.timedOut), share("In", d.xactsIn, d.xacts), share("Out", d.xactsOut, d.xacts),
			times("In", d.timeIn), times("Out", d.timeOut), "Qname Card. "+count(d.names)),
		m.segments(st.label.Render("DNS ")+share("NOERROR", d.noerror, d.replies), share("SRVFAIL", d.servfail, d.replies),
			share("NXDOMAIN", d.nxdomain, d.replies), share("REFUSED", d.refused, d.replies), m.timeWindow()),
	}
}

// rateLine puts drops first, because the end may be cut.
func (m *model) rateLine(st styles, spark int) string {
	p, l := &m.now.packets, &m.now.losses
	parts := []string{st.label.Render("Pkt Rates ") + rate("Total", p.rate) + " " + sparkline(m.packets, spark)}
	drops := []string{lost(st, "OS Drops", l.os), lost(st, "IF Drops", l.iface)}
	if l.os+l.iface > 0 {
		parts = append(parts, drops...)
	}
	parts = append(parts, rate("In", p.rateIn), rate("Out", p.rateOut), fmt.Sprintf("IP Card. In: %s | Out: %s", count(p.remoteIn), count(p.remoteOut)),
		"TCP Errors "+count(l.tcp))
	return m.segments(append(parts, drops...)...)
}

func (m *model) dhcpLine(st styles) string {
	d := &m.now.dhcp
	return m.segments(st.label.Render("DHCP Wire Pkts ")+count(d.total-d.filtered)+"/"+count(d.total), rate("Rates Total", d.rate),
		share("Discover", d.discover, d.total), share("Offer", d.offer, d.total), share("Request", d.request, d.total), share("Ack", d.ack, d.total))
}

func (m *model) timeWindow() string {
	end := m.now.start.Add(m.now.length)
	return fmt.Sprintf("Time Window %s to %s, Period %ds", m.now.start.Format(time.Kitchen), end.Format(time.Kitchen), int(m.now.length.Seconds()))
}

func count(n float64) string { return strconv.FormatFloat(n, 'f', 0, 64) }

// share formats a count and its share of a total.
func share(name string, n, of float64) string {
	if of <= 0 {
		return name + " " + count(n) + " (0.0%)"
	}
	return fmt.Sprintf("%s %s (%.1f%%)", name, count(n), n/of*100)
}

func rate(name string, r spread) string {
	return fmt.Sprintf("%s %s/s %s/%s/%s/%s pps", name, count(r.live), count(r.p50), count(r.p90), count(r.p95), count(r.p99))
}

// times formats quantiles of transaction times, each with a suitable unit.
func times(name string, s spread) string {
	if s.p99 == 0 {
		return name + " -"
	}
	parts := []string{}
	for _, us := range []float64{s.p50, s.p90, s.p95, s.p99} {
		parts = append(parts, export.Microseconds(us))
	}
	return name + " " + strings.Join(parts, "/")
}

func lost(st styles, name string, n float64) string {
	if n > 0 {
		return st.alarm.Render(name + " " + count(n))
	}
	return name + " " + count(n)
}

// sparkline draws the most recent rates relative to the greatest one.
func sparkline(rates []float64, width int) string {
	rates = rates[max(0, len(rates)-width):]
	most := 0.0
	for _, r := range rates {
		most = max(most, r)
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, r := range rates {
		level := 0
		if most > 0 {
			level = int(r / most * float64(len(bars)-1))
		}
		b.WriteRune(bars[level])
	}
	return b.String()
}

// columns returns the number of panels side by side.
func (m *model) columns() int { return min(4, max(1, m.width/38)) }

// lowest and highest are the minimum and maximum height of panels, including the title.
const lowest, highest = 7, 12

// grid draws the rows of panels that fit, including the row in focus.
func (m *model) grid(st styles, room int) []string {
	columns, all := m.columns(), m.panels()
	rows := (len(all) + columns - 1) / columns
	fit := max(1, min(rows, room/lowest))
	height := min(highest, max(lowest, room/fit))
	first := min(max(0, m.focus/columns-fit+1), rows-fit)
	width := m.width / columns
	var lines []string
	for row := first; row < first+fit; row++ {
		var boxes []string
		for i := row * columns; i < min((row+1)*columns, len(all)); i++ {
			boxes = append(boxes, m.box(st, i, width, height))
		}
		lines = append(lines, strings.Split(lipgloss.JoinHorizontal(lipgloss.Top, boxes...), "\n")...)
	}
	return lines
}

// box draws a panel.
func (m *model) box(st styles, i, width, height int) string {
	p := &m.panels()[i]
	inner := width - 2
	title, style := "─ "+p.title+" ", st.title
	if i == m.focus {
		title, style = "━ "+p.title+" ", st.focus
	}
	rule := strings.Repeat(title[:len("─")], max(0, inner-ansi.StringWidth(title)))
	lines := []string{style.Render(ansi.Truncate(title+rule, inner, ""))}
	entries := p.entries(m.now, m.search, m.order)
	first := 0
	if i == m.focus {
		first = max(0, m.row-height+2)
	}
	for at := first; at < len(entries) && len(lines) < height; at++ {
		line := entryLine(&entries[at], p, m.now, inner)
		if i == m.focus && at == m.row {
			line = st.chosen.Render(line)
		}
		lines = append(lines, line)
	}
	return lipgloss.NewStyle().Width(width).Height(height).Render(strings.Join(lines, "\n"))
}

// entryLine writes the name on the left and the count on the right.
func entryLine(it *item, p *panel, s *summary, width int) string {
	right := it.text
	if right == "" {
		right = count(it.count)
	}
	if p.base != nil && p.base(s) > 0 {
		right += fmt.Sprintf(" (%.1f%%)", it.count/p.base(s)*100)
	}
	room := width - ansi.StringWidth(right) - 1
	if room < 4 {
		return ansi.Truncate(it.label(), width, "…")
	}
	name := ansi.Truncate(it.label(), room, "…")
	return name + strings.Repeat(" ", max(0, room-ansi.StringWidth(name))+1) + right
}

// label returns the displayed name. The DNS root is a dot.
func (it *item) label() string {
	if it.name == "" {
		return "."
	}
	return printable(it.name)
}

// printable returns a text that cannot control the terminal.
func printable(name string) string { return export.Readable(name) }

func (m *model) choiceLines(st styles, room int) []string {
	lines := []string{st.title.Render("Policies"), ""}
	room = max(1, room-3)
	first := max(0, m.choice.row-room+1)
	for i := first; i < min(len(m.choice.names), first+room); i++ {
		line := "  " + printable(m.choice.names[i]) + "  "
		if i == m.choice.row {
			line = st.chosen.Render(line)
		}
		lines = append(lines, line)
	}
	return append(lines, "")
}

// footer shows an error or the available keys.
func (m *model) footer(st styles) string {
	switch {
	case m.err != nil && m.now != nil:
		return st.alarm.Render("numbers from "+m.now.start.Add(m.now.length).Format(time.Kitchen)+" · no answer: ") + printable(reason(m.err))
	case m.typing:
		return "/" + printable(m.search) + "█"
	case m.note != "":
		return st.focus.Render(printable(m.note))
	}
	var parts []string
	if m.paused {
		parts = append(parts, st.alarm.Render("standing still"))
	}
	if m.search != "" {
		parts = append(parts, st.focus.Render("only /"+printable(m.search)))
	}
	switch {
	case m.list != nil && m.list.evidence:
		return st.dim.Render("↑ ↓ scroll · Esc all findings · f back to the numbers · q quit")
	case m.list != nil:
		return st.dim.Render("↑ ↓ choose · Enter evidence · Esc back to the numbers · q quit")
	case m.drill != nil:
		parts = append(parts, "Esc back")
	default:
		if p := m.focused(); p != nil && p.look != nil {
			parts = append(parts, "Enter look behind")
		}
		parts = append(parts, "p policies", "1 2 3 period")
	}
	return st.dim.Render(strings.Join(append(parts, "/ search", "s sort", "? help", "q quit"), " · "))
}

// reason returns the relevant part of an error, without the request.
func reason(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil || !strings.Contains(fmt.Sprintf("%T", err), "url.Error") {
			return err.Error()
		}
		err = inner
	}
}
