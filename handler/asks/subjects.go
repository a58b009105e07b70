package asks

import "visor/handler/metric"

// cache remembers the names of subjects and their counts in the live period, so that recurring
// subjects do not allocate.
type cache[K comparable] struct {
	entries map[K]*entry
	most    int
	period  int // number of the live period, from 1
}

type entry struct {
	name    string
	subject *Subject // counts of the period
	period  int      // 0 before the first
}

func newCache[K comparable](most int) cache[K] {
	return cache[K]{entries: make(map[K]*entry), most: most, period: 1}
}

// add returns a new entry. The cache keeps it if there is room.
func (c *cache[K]) add(key K, name string) *entry {
	e := &entry{name: name}
	if len(c.entries) < 2*c.most {
		c.entries[key] = e
	}
	return e
}

// shift begins a period. It forgets all subjects if there were too many to keep.
func (c *cache[K]) shift() {
	c.period++
	if len(c.entries) >= 2*c.most {
		clear(c.entries)
	}
}

// open returns the details of a new subject, or of Others if there are most of them.
func open[M any](in *metric.Map[M], name string, most int) *M {
	if in.Len() >= most {
		return in.At(Others)
	}
	return in.At(name)
}
