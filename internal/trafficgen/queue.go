package trafficgen

// event is the time at which a session continues. Equal times are ordered by number.
type event struct {
	time    int64 // ns
	number  uint32
	session uint32
}

func (e event) before(o event) bool {
	return e.time < o.time || e.time == o.time && int32(e.number-o.number) < 0
}

// queue is a binary heap of events, the earliest first.
type queue []event

func (q *queue) push(e event) {
	*q = append(*q, e)
	h := *q
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
}

// replaceFirst replaces the earliest event by e.
func (q queue) replaceFirst(e event) {
	i := 0
	for {
		down := 2*i + 1
		if down >= len(q) {
			break
		}
		if down+1 < len(q) && q[down+1].before(q[down]) {
			down++
		}
		if !q[down].before(e) {
			break
		}
		q[i] = q[down]
		i = down
	}
	q[i] = e
}

func (q *queue) dropFirst() {
	last := len(*q) - 1
	e := (*q)[last]
	*q = (*q)[:last]
	if last > 0 {
		q.replaceFirst(e)
	}
}
