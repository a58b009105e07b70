package export

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"visor/sketch"
)

// Timeline shows the distribution of events over time: counts in steps of equal length, and the
// peak.
type Timeline struct {
	Name   string        // name of the events, such as "packets"
	Start  time.Time     // start of the first step, a multiple of Step
	Step   time.Duration // whole seconds
	Counts []uint64      // events per step; the last step may be shorter
	Peak   time.Time     // start of the minute with the most events, the earliest of equals
	Span   time.Duration // length of the peak: a minute, or more in captures of many hours
	Most   uint64        // events in the peak
}

// timelineSteps are the round lengths of steps in seconds.
var timelineSteps = []int64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800, 31 * 86400, 366 * 86400}

// NewTimeline returns the timeline of the events in r. It uses the shortest round step for which at
// most n steps are needed, up to a year. Without events it has no Counts.
func NewTimeline(name string, r *sketch.Rate, n int) Timeline {
	t := Timeline{Name: name}
	first, last, any := int64(0), int64(0), false
	for sec := range r.Slots() {
		if !any {
			first, any = sec, true
		}
		last = sec + r.Width() - 1
	}
	if !any {
		return t
	}
	step := timelineSteps[len(timelineSteps)-1]
	for _, s := range slices.Backward(timelineSteps) {
		if s >= r.Width() && last/s-first/s < int64(max(n, 1)) {
			step = s
		}
	}
	t.Start, t.Step = time.Unix(first-first%step, 0).UTC(), time.Duration(step)*time.Second
	t.Counts = make([]uint64, last/step-first/step+1)
	span := int64(60)
	if span%r.Width() != 0 {
		span = max(64, r.Width())
	}
	t.Span = time.Duration(span) * time.Second
	at, sum := int64(0), uint64(0)
	for sec, events := range r.Slots() {
		t.Counts[sec/step-first/step] += events
		if sec/span != at {
			at, sum = sec/span, 0
		}
		if sum += events; sum > t.Most {
			t.Most, t.Peak = sum, time.Unix(span*at, 0).UTC()
		}
	}
	return t
}

// levels are the heights of a column, in eighths.
var levels = []rune("▁▂▃▄▅▆▇█")

// Columns draws a column per step: a blank for 0, and otherwise one to eight eighths.
func (t *Timeline) Columns() string {
	if len(t.Counts) == 0 {
		return ""
	}
	most := slices.Max(t.Counts)
	var b strings.Builder
	for _, n := range t.Counts {
		if n == 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(levels[min(uint64(len(levels))-1, uint64(float64(n)/float64(most)*float64(len(levels))))])
	}
	return b.String()
}

// Caption describes the length of a step and the peak.
func (t *Timeline) Caption() string {
	peak := "minute " + t.Peak.Format("2006-01-02 15:04")
	if t.Span != time.Minute {
		peak = "of " + Brief(t.Span) + " from " + t.Peak.Format(time.DateTime)
	}
	return fmt.Sprintf("%s from %s UTC, a column is %s; peak %s with %s", t.Name, t.Start.Format(time.DateTime), Brief(t.Step), peak, thousands(t.Most))
}

func (t *Timeline) object() object {
	return object{"start": stamp(t.Start), "step": int64(t.Step / time.Second), "counts": t.Counts, "peak": object{"minute": stamp(t.Peak), "seconds": int64(t.Span / time.Second), "count": t.Most}}
}
