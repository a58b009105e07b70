package findings

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"visor/export"
)

// TextConfig configures [WriteText]. The zero TextConfig is ready to use.
type TextConfig struct {
	Width int  // columns; 0 means 80
	Color bool // use ANSI colours
	Most  int  // findings that are shown, the most urgent ones; 0 means 10
}

// WriteText writes findings to w as text for terminals, the most urgent first. It writes nothing
// without findings.
func WriteText(w io.Writer, found []Finding, cfg TextConfig) error {
	if len(found) == 0 {
		return nil
	}
	if cfg.Width <= 0 {
		cfg.Width = 80
	}
	if cfg.Most <= 0 {
		cfg.Most = 10
	}
	t := text{bufio.NewWriter(w), cfg}
	title := "── WHAT STANDS OUT "
	t.colored("\x1b[1;36m", title+strings.Repeat("─", max(cfg.Width-utf8.RuneCountInString(title), 0)))
	sorted := Sorted(found)
	for i := range sorted[:min(cfg.Most, len(sorted))] {
		t.finding(&sorted[i])
	}
	if more := len(sorted) - cfg.Most; more > 0 {
		fmt.Fprintf(t.out, "and %d more\n", more)
	}
	fmt.Fprintln(t.out)
	return t.out.Flush()
}

type text struct {
	out *bufio.Writer
	cfg TextConfig
}

func (t *text) colored(escape, line string) {
	if t.cfg.Color {
		line = escape + line + "\x1b[0m"
	}
	fmt.Fprintln(t.out, line)
}

var colors = map[Severity]string{Attack: "\x1b[1;31m", Warning: "\x1b[1;33m", Info: "\x1b[1m"}

func (t *text) finding(f *Finding) {
	for i, line := range wrapped(string(f.Severity)+": "+f.Text, t.cfg.Width) {
		if i == 0 {
			t.colored(colors[f.Severity], line)
			continue
		}
		fmt.Fprintln(t.out, "  "+line)
	}
	when := f.Since.UTC().Format(time.DateTime) + " UTC, " + export.Brief(f.Until.Sub(f.Since))
	t.line("from", when)
	t.line("examples", strings.Join(readable(f.Evidence.Examples), ", "))
	t.line("clients", parts(f.Evidence.Clients))
	t.line("subnets", parts(f.Evidence.Subnets))
	t.line("AS", parts(f.Evidence.AS))
	t.line("shares", parts(f.Evidence.Shares))
}

// line writes one kind of evidence, cut to the width.
func (t *text) line(name, evidence string) {
	if evidence == "" {
		return
	}
	line := []rune("  " + name + ": " + evidence)
	if len(line) > t.cfg.Width {
		line = append(line[:max(t.cfg.Width-1, 0)], '…')
	}
	fmt.Fprintln(t.out, string(line))
}

// parts lists up to five parts with their shares.
func parts(list []Part) string {
	var out []string
	for _, p := range list[:min(5, len(list))] {
		out = append(out, fmt.Sprintf("%s (%s)", export.Readable(p.Name), percent(p.Share)))
	}
	return strings.Join(out, ", ")
}

func readable(names []string) (out []string) {
	for _, n := range names {
		out = append(out, export.Readable(n))
	}
	return out
}

// wrapped breaks a text into lines between words. The second line and later ones leave two columns.
func wrapped(s string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width-2 {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
