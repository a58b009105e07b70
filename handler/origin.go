package handler

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"visor/internal/wire"
)

// Origin is the program that counts, and where. Fill in what is known.
type Origin struct {
	Agent   string            // host, or file; "" if unknown
	Policy  string            // "" without policies
	Program string            // name and version
	Tags    map[string]string // the agent's
}

// Counted is a handler that counted, and when.
type Counted struct {
	Origin
	Module string // name of the handler
	Tap    string // source of its events
	Spans  []Interval
}

// Interval is the time from Start until before End, in whole seconds.
type Interval struct{ Start, End time.Time }

const (
	maxCounted = 4096  // handlers that a module comes from
	maxSpans   = 16384 // separate intervals of each
)

// same reports whether c and d are the same handler.
func (c *Counted) same(d *Counted) bool {
	return c.Agent == d.Agent && c.Policy == d.Policy && c.Module == d.Module && c.Tap == d.Tap &&
		c.Program == d.Program && maps.Equal(c.Tags, d.Tags)
}

// twice returns a time that both counted, for two handlers of one name on one agent. Agents without
// a name may differ.
func (c *Counted) twice(d *Counted) (at Interval, ok bool) {
	if c.Agent == "" || c.Agent != d.Agent || c.Policy != d.Policy || c.Module != d.Module || c.Tap != d.Tap {
		return at, false
	}
	for i, k := 0, 0; i < len(c.Spans) && k < len(d.Spans); {
		a, b := c.Spans[i], d.Spans[k]
		at = Interval{latest(a.Start, b.Start), earliest(a.End, b.End)}
		if at.Start.Before(at.End) {
			return at, true
		}
		if a.End.Before(b.End) {
			i++
		} else {
			k++
		}
	}
	return at, false
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// union returns the intervals in order. It joins those that overlap or touch.
func union(list []Interval) (out []Interval) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Interval) int { return a.Start.Compare(b.Start) })
	for _, x := range list {
		if n := len(out); n > 0 && !x.Start.After(out[n-1].End) {
			out[n-1].End = latest(out[n-1].End, x.End)
			continue
		}
		out = append(out, x)
	}
	return out
}

// merged returns the handlers of both lists, each once, in the order of their names.
func merged(list, more []Counted) ([]Counted, error) {
	out := slices.Clone(list)
	for _, c := range more {
		i := slices.IndexFunc(out, func(d Counted) bool { return c.same(&d) })
		if i < 0 {
			out = append(out, c)
			continue
		}
		out[i].Spans = union(slices.Concat(out[i].Spans, c.Spans))
		if len(out[i].Spans) > maxSpans {
			return nil, fmt.Errorf("handler: %s counted in more than %d separate intervals", c.Module, maxSpans)
		}
	}
	if len(out) > maxCounted {
		return nil, fmt.Errorf("handler: more than %d handlers counted", maxCounted)
	}
	slices.SortStableFunc(out, func(c, d Counted) int {
		return cmp.Or(cmp.Compare(c.Agent, d.Agent), cmp.Compare(c.Policy, d.Policy), cmp.Compare(c.Module, d.Module), cmp.Compare(c.Tap, d.Tap))
	})
	return out, nil
}

// covered returns the time that the handlers of a list covered.
func covered(list []Counted) []Interval {
	var all []Interval
	for _, c := range list {
		all = append(all, c.Spans...)
	}
	return union(all)
}

// seconds returns the length of disjoint intervals, at most maxLength.
func seconds(list []Interval) (sum uint64) {
	for _, x := range list {
		sum += uint64(x.End.Unix() - x.Start.Unix())
	}
	return min(sum, maxLength)
}

func (c *Counted) append(dst []byte) []byte {
	for _, s := range [...]string{c.Agent, c.Policy, c.Program, c.Module, c.Tap} {
		dst = wire.AppendText(dst, s)
	}
	dst = wire.AppendUvarint(dst, uint64(len(c.Tags)))
	for _, name := range slices.Sorted(maps.Keys(c.Tags)) {
		dst = wire.AppendText(wire.AppendText(dst, name), c.Tags[name])
	}
	dst = wire.AppendUvarint(dst, uint64(len(c.Spans)))
	last := int64(0)
	for _, x := range c.Spans {
		dst = wire.AppendVarint(dst, x.Start.Unix()-last)
		dst = wire.AppendUvarint(dst, uint64(x.End.Unix()-x.Start.Unix()))
		last = x.End.Unix()
	}
	return dst
}

func readCounted(r *wire.Reader) (c Counted) {
	for _, s := range [...]*string{&c.Agent, &c.Policy, &c.Program, &c.Module, &c.Tap} {
		*s = r.Text()
	}
	for range r.Count(2) {
		if c.Tags == nil {
			c.Tags = make(map[string]string)
		}
		name := r.Text()
		c.Tags[name] = r.Text()
	}
	n := r.Count(2)
	if n > maxSpans {
		r.Failf("%d separate intervals", n)
	}
	last := int64(0)
	for i := range n {
		start := r.Varint()
		if i > 0 && start <= 0 {
			r.Failf("intervals are out of order")
		}
		start = readSecond(r, last, start)
		end := readSecond(r, start, int64(r.Int(maxSecond)))
		if r.Err() != nil {
			return c
		}
		c.Spans = append(c.Spans, Interval{time.Unix(start, 0), time.Unix(end, 0)})
		last = end
	}
	return c
}

// maxLength is the longest time.Duration in seconds: 292 years, if a clock was wrong.
const maxLength = uint64(math.MaxInt64 / time.Second)

// maxSecond bounds times, in seconds before and after 1970, to the years that text can show.
const maxSecond = 1 << 37

// readSecond returns a time by its distance from another one.
func readSecond(r *wire.Reader, from, distance int64) int64 {
	if distance < -2*maxSecond || distance > 2*maxSecond || from+distance < -maxSecond || from+distance > maxSecond {
		r.Failf("a time out of range")
		return 0
	}
	return from + distance
}
