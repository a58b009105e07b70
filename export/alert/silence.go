package alert

import (
	"strings"
	"time"

	"visor/export/findings"
)

// matches reports whether the silence is on at a time, and matches a finding.
func (s *Silence) matches(f *findings.Finding, now time.Time) bool {
	if now.Before(s.From) || !s.Until.IsZero() && !now.Before(s.Until) {
		return false
	}
	return matches(s.Policy, f.Policy) && matches(s.Module, f.Module) && matches(s.Kind, string(f.Kind)) && matches(s.Subject, f.Subject)
}

// matches reports whether text matches a pattern, in which * stands for any text. The empty pattern
// matches all.
func matches(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	first, rest, more := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, first)
	for ok && more {
		var part string
		if part, rest, more = strings.Cut(rest, "*"); !more {
			return strings.HasSuffix(text, part)
		}
		_, text, ok = strings.Cut(text, part)
	}
	return ok && text == ""
}
