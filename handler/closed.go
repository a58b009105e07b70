package handler

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// closing holds the groups of a pipeline that receive their closed periods.
type closing struct {
	mu     sync.Mutex
	groups []*Attachment
}

func (c *closing) add(g *Attachment) {
	if g.delivery != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.groups = append(c.groups, g)
	}
}

func (c *closing) remove(g *Attachment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groups = slices.DeleteFunc(c.groups, func(has *Attachment) bool { return has == g })
}

func (c *closing) all() []*Attachment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.groups)
}

// delivery passes the closed periods of a group on.
type delivery struct {
	closed func(*Snapshot)
	mu     sync.Mutex // held during a delivery
	last   period     // the latest delivered period
	input  Input      // of the pipeline, until that period
}

func newDelivery(p *Pipeline, infos []Info, closed func(*Snapshot)) (*delivery, error) {
	if !p.common() {
		return nil, fmt.Errorf("handler: Closed needs common periods, and %d recordings have their own", len(p.cfg.Sources))
	}
	for _, info := range infos {
		if info.Periods < 2 {
			return nil, fmt.Errorf("handler: Closed needs 2 periods, and %s keeps %d", info.Name, info.Periods)
		}
	}
	return &delivery{closed: closed}, nil
}

// deliver passes the periods that have closed in all workers on.
func (p *Pipeline) deliver() {
	for _, g := range p.closing.all() {
		g.deliver()
	}
}

// deliver passes the periods that have closed since the last delivery on, the oldest first, and the
// live one if g has stopped counting.
func (g *Attachment) deliver() {
	d := g.delivery
	if d == nil || len(g.infos) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := g.stretches()
	newest := 1
	if g.over() {
		newest = 0
	}
	// a group's handlers differ only in how many periods they keep
	kept := g.periods(0, known)
	for i := 1; i < len(g.infos); i++ {
		if p := g.periods(i, known); len(p) < len(kept) {
			kept = p
		}
	}
	for n := len(kept) - 1; n >= newest; n-- {
		if kept[n].compare(d.last) <= 0 {
			continue
		}
		s, whole, err := g.try(known, n, n+1)
		if whole && err == nil {
			g.pipeline.noteGap(d.last, kept[n])
			d.last = kept[n]
			now := g.pipeline.input()
			s.Input, d.input = now.since(d.input), now
			d.closed(s)
		}
	}
}

// noteGap logs the number of periods of a live pipeline between two deliveries.
func (p *Pipeline) noteGap(last, next period) {
	if !p.cfg.live || p.cfg.Logger == nil || last.era != next.era {
		return // a recording has no periods without traffic, and loses none
	}
	if lost := (next.start-last.start)/int64(p.cfg.Period) - 1; lost > 0 {
		p.cfg.Logger.Warn("periods were dropped before they could be delivered", "lost", lost, "since", time.Unix(0, last.start).UTC())
	}
}
