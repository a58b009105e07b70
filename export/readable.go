package export

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/width"
)

// Readable returns a name from the wire in a form that is safe to display. It replaces characters
// that could control a terminal. It appends the Unicode form of a domain name with A-labels (RFC
// 5890): "xn--bcher-kva.example (bücher.example)".
//
// A-labels are shown without the Unicode form if that could deceive: if a label is not valid by
// IDNA 2008, if it is written from right to left, which would move the text beside it, or if it
// stacks marks on a letter. Letters that look like others are shown, because the A-label is next to
// them.
func Readable(name string) string {
	name = printable(name)
	if !strings.Contains(strings.ToLower(name), acePrefix) {
		return name
	}
	labels := strings.Split(name, ".")
	changed := false
	for i, label := range labels {
		if u, ok := unicodeLabel(label); ok {
			labels[i], changed = u, true
		}
	}
	if !changed {
		return name
	}
	return name + " (" + strings.Join(labels, ".") + ")"
}

const acePrefix = "xn--"

// unicodeLabel returns the U-label of an A-label, unless it could deceive.
func unicodeLabel(label string) (string, bool) {
	if len(label) < len(acePrefix) || !strings.EqualFold(label[:len(acePrefix)], acePrefix) {
		return "", false
	}
	u, err := idna.Lookup.ToUnicode(label)
	if err != nil || u == "" || u == strings.ToLower(label) || strings.Contains(u, acePrefix) {
		return "", false
	}
	marks := 0
	for _, r := range u {
		switch {
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
			if marks++; marks > maxMarks {
				return "", false
			}
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mc, r) && r != '-' && r != '·':
			return "", false
		case unicode.In(r, rightToLeft...):
			return "", false
		}
		marks = 0
	}
	return u, true
}

// maxMarks is the maximum number of marks on a letter in the writing of any language.
const maxMarks = 3

// rightToLeft lists the right-to-left scripts that IDNA allows.
var rightToLeft = []*unicode.RangeTable{
	unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Samaritan, unicode.Mandaic, unicode.Adlam,
	unicode.Mende_Kikakui, unicode.Hanifi_Rohingya, unicode.Yezidi,
}

// printable replaces characters that could control a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// displayWidth returns the number of terminal columns of s.
func displayWidth(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r < utf8.RuneSelf:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// pad pads s with blanks to a width.
func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-displayWidth(s))) }

// cut shortens s to a width, with an ellipsis at the cut.
func cut(s string, width int) string {
	if width < 1 || displayWidth(s) <= width {
		return s
	}
	used := 0
	for i, r := range s {
		if used += runeWidth(r); used > width-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// padStyled is pad for a line with escape sequences, which take no columns.
func (t *text) padStyled(s string, width int) string {
	n := displayWidth(s)
	for _, escape := range []string{t.style.title, t.style.name, t.style.bar, t.style.end} {
		if escape != "" {
			n -= strings.Count(s, escape) * len(escape)
		}
	}
	return s + strings.Repeat(" ", max(0, width-n))
}
