package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"visor/capture"
)

// moment returns a time on the command line for an input whose first packet is at first. It is nil
// if the command line has none.
type moment func(first time.Time) time.Time

// clockLayouts and dateLayouts are the accepted forms of times, in UTC unless they have a zone.
var (
	clockLayouts = []string{"15:04", "15:04:05"}
	dateLayouts  = []string{time.RFC3339Nano, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime, "2006-01-02T15:04:05", time.DateOnly}
)

func parseMoment(flag, s string) (moment, error) {
	if s == "" {
		return nil, nil
	}
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		if d, err := time.ParseDuration(rest); err == nil && d >= 0 {
			return func(first time.Time) time.Time { return first.Add(d) }, nil
		}
		return nil, badMoment(flag, s)
	}
	for _, layout := range clockLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return onDay(t.Sub(t.Truncate(24 * time.Hour))), nil
		}
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return at(t), nil
		}
	}
	if sec, err := strconv.ParseFloat(s, 64); err == nil && sec >= 0 && sec < 1<<33 {
		return at(time.Unix(0, int64(sec*1e9))), nil
	}
	return nil, badMoment(flag, s)
}

func badMoment(flag, s string) error {
	return fmt.Errorf("%s %s: must be a time in UTC as 2026-01-31 15:04:05 or 15:04, with a zone as 2026-01-31T15:04:05+01:00, seconds since 1970, or as +10m after the first packet", flag, s)
}

// at returns an absolute time.
func at(t time.Time) moment { return func(time.Time) time.Time { return t } }

// onDay returns a time of day in UTC, on the day of the first packet or the next one.
func onDay(clock time.Duration) moment {
	return func(first time.Time) time.Time {
		t := first.UTC().Truncate(24 * time.Hour).Add(clock)
		if t.Add(time.Minute).Before(first) { // after midnight
			t = t.Add(24 * time.Hour)
		}
		return t
	}
}

// ordered returns an error if a range that has both ends is empty.
func ordered(from, to moment, first time.Time) error {
	if from == nil || to == nil || from(first).Before(to(first)) {
		return nil
	}
	return fmt.Errorf("--from %s is not before --to %s", from(first).UTC().Format(time.DateTime), to(first).UTC().Format(time.DateTime))
}

// within returns the frames of src from one time until before another.
func within(src capture.Source, from, to moment) capture.Source {
	if from == nil && to == nil {
		return src
	}
	known := false
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	return capture.Filter(src, func(f *capture.Frame) (bool, error) {
		if !known {
			known = true
			first := time.Unix(0, f.TimeNS)
			if from != nil {
				low = from(first).UnixNano()
			}
			if to != nil {
				high = to(first).UnixNano()
			}
			if err := ordered(from, to, first); err != nil {
				return false, misuse{err}
			}
		}
		return low <= f.TimeNS && f.TimeNS < high, nil
	})
}
