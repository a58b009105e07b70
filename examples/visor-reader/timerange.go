package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"visor/capture"
)

// moment is a time on the command line, absolute or relative to the first packet of the input.
type moment struct {
	given    bool
	at       time.Time     // absolute, unless offset or ofDay is set
	offset   time.Duration // after the first packet
	ofDay    time.Duration // time of day in UTC, on the day of the first packet or the next one
	relative bool
	clock    bool
}

// clockLayouts and dateLayouts are the accepted forms of times, in UTC unless they have a zone.
var (
	clockLayouts = []string{"15:04", "15:04:05"}
	dateLayouts  = []string{time.RFC3339Nano, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime, "2006-01-02T15:04:05", time.DateOnly}
)

func parseMoment(flag, s string) (moment, error) {
	m := moment{given: s != ""}
	if !m.given {
		return m, nil
	}
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		d, err := time.ParseDuration(rest)
		m.offset, m.relative = d, true
		if err == nil && d >= 0 {
			return m, nil
		}
	}
	for _, layout := range clockLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			m.ofDay, m.clock = t.Sub(t.Truncate(24*time.Hour)), true
			return m, nil
		}
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			m.at = t
			return m, nil
		}
	}
	if sec, err := strconv.ParseFloat(s, 64); err == nil && sec >= 0 && sec < 1<<33 {
		m.at = time.Unix(0, int64(sec*1e9))
		return m, nil
	}
	return m, fmt.Errorf("%s %s: must be a time in UTC as 2026-01-31 15:04:05 or 15:04, with a zone as 2026-01-31T15:04:05+01:00, seconds since 1970, or as +10m after the first packet", flag, s)
}

// ns returns the time for an input whose first packet is at first.
func (m moment) ns(first time.Time) int64 {
	switch {
	case m.relative:
		return first.Add(m.offset).UnixNano()
	case m.clock:
		at := first.UTC().Truncate(24 * time.Hour).Add(m.ofDay)
		if at.Add(time.Minute).Before(first) { // after midnight
			at = at.Add(24 * time.Hour)
		}
		return at.UnixNano()
	}
	return m.at.UnixNano()
}

// within returns the frames of src from one time until before another.
func within(src capture.Source, from, to moment) capture.Source {
	if !from.given && !to.given {
		return src
	}
	known := false
	var low, high int64
	return capture.Filter(src, func(f *capture.Frame) (bool, error) {
		if !known {
			known = true
			first := time.Unix(0, f.TimeNS)
			low, high = from.ns(first), to.ns(first)
		}
		return (!from.given || f.TimeNS >= low) && (!to.given || f.TimeNS < high), nil
	})
}
