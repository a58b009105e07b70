package findings

import (
	"fmt"
	"time"
)

// drops finds packets that were lost before they could be analyzed.
func (v *view) drops() {
	lost := v.number("os_drops") + v.number("if_drops")
	seen := float64(v.module.Frames)
	const subject = "dropped packets"
	if share(lost, lost+seen) < v.threshold(Capture, subject, 0.001) || lost < 10 {
		return
	}
	s := signal{score: lost}
	s.Kind, s.Subject, s.Severity = Capture, subject, Warning
	s.Figures = []Figure{
		{Name: "dropped packets", Value: lost / v.length, Unit: perSecond},
		{Name: "share of all packets", Value: 100 * share(lost, lost+seen), Unit: "per cent"},
	}
	s.Text = fmt.Sprintf("%s packets were dropped before they could be analyzed, %.1f %% of all.", quantity(lost), 100*share(lost, lost+seen))
	v.report(s)
}

// oneSided finds DNS without queries, or without replies. Servers may log one of them alone by
// dnstap.
func (v *view) oneSided() {
	if v.module.Version != "1.0" || v.dnstap() {
		return
	}
	queries, replies := v.number("queries"), v.number("replies")
	few, many, missing, present := replies, queries, "replies", "queries"
	if queries < replies {
		few, many, missing, present = queries, replies, "queries", "replies"
	}
	subject := "no DNS " + missing
	if many < v.threshold(Capture, subject, float64(v.cfg.MinEvents)) || few > 0.02*many {
		return
	}
	// a server that stops answering is not trouble of the capture
	if b, ok := v.usual("replies"); ok && missing == "replies" && b.low*v.length > 0.1*many {
		return
	}
	s := signal{score: many, need: 2}
	s.Kind, s.Subject, s.Severity = Capture, subject, Info
	s.Figures = []Figure{{Name: present, Value: many / v.length, Unit: perSecond}, {Name: missing, Value: few / v.length, Unit: perSecond}}
	s.Text = fmt.Sprintf("%s DNS %s were seen, but %s %s: the capture may have one direction only.", quantity(many), present, quantity(few), missing)
	v.report(s)
}

const clock = "clock" // subject of steps

func isStep(s signal) bool { return s.Kind == Capture && s.Subject == clock }

// clockStep finds periods that begin before the last one ended.
func (v *view) clockStep() {
	back := v.end().Sub(v.start)
	if v.stream.end.IsZero() || back < 2*time.Second {
		return
	}
	s := signal{score: back.Seconds()}
	s.Kind, s.Subject, s.Severity = Capture, clock, Warning
	s.Figures = []Figure{{Name: "overlap", Value: back.Seconds(), Unit: "seconds"}}
	s.Text = fmt.Sprintf("The clock was set back by %s seconds: a time is counted twice.", quantity(back.Seconds()))
	v.report(s)
}

func (v *view) end() time.Time { return v.stream.end }

// dnstap reports whether messages came by dnstap.
func (v *view) dnstap() bool {
	for _, value := range v.values {
		if value.Path[0] == "dnstap" {
			return true
		}
	}
	return false
}
