package alert

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// wire sends messages to a receiver.
type wire interface {
	// send sends the states of alerts once.
	send(ctx context.Context, batch []parcel) error
	// batch returns the maximum number of alerts for a send.
	batch() int
	// repeat returns how often alerts that last are sent, or 0 for once.
	repeat() time.Duration
	kind() string
}

// parcel is the state of one alert that is sent.
type parcel struct {
	entry *entry
	msg   *Message
}

// entry is an alert that a receiver has, or will have.
type entry struct {
	fired    *Message // nil when it is not needed any more
	resolved *Message // nil while the alert lasts
	key      string
	told     bool      // the receiver has accepted that it fired
	due      time.Time // when it is sent
	born     time.Time // when the waiting message was made
	busy     bool      // being sent
	saved    bool      // in the state file
}

// waits reports whether a message waits for the receiver.
func (e *entry) waits() bool { return !e.told || e.resolved != nil }

// messages returns the number of messages that the receiver has not accepted.
func (e *entry) messages() (n uint64) {
	if !e.told {
		n++
	}
	if e.resolved != nil {
		n++
	}
	return n
}

// bytes returns about the number of bytes that the entry occupies.
func (e *entry) bytes() (n int) {
	for _, m := range []*Message{e.fired, e.resolved} {
		if m != nil {
			n += m.size()
		}
	}
	return n
}

// outbox is the queue of a receiver.
type outbox struct {
	name    string
	wire    wire
	cfg     Config // its rules may be outdated
	log     *slog.Logger
	changed chan struct{} // has an entry if something may be due
	// writes the state file, now or soon; advanced is called with mu
	save, advanced func()
	done           chan struct{} // closed when all is sent after finish

	mu       sync.Mutex
	entries  []*entry // in the order of their beginning
	stats    ReceiverStats
	failures int       // failed attempts in a row
	retry    time.Time // no attempt is made before
	ending   bool
}

func newOutbox(name string, w wire, cfg *Config, save, advanced func()) *outbox {
	return &outbox{
		name: name, wire: w, cfg: *cfg, save: save, advanced: advanced, log: cfg.Logger.With("receiver", name), changed: make(chan struct{}, 1), done: make(chan struct{}),
		stats: ReceiverStats{Name: name, Type: w.kind()},
	}
}

// add queues a message.
func (o *outbox) add(m *Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if m.Status == Fired {
		o.entries = append(o.entries, &entry{key: m.Key, fired: m, due: now, born: now})
	} else if i := slices.IndexFunc(o.entries, func(e *entry) bool { return e.key == m.Key }); i >= 0 {
		e := o.entries[i]
		if e.resolved = m; e.told {
			e.due, e.born = now, now
		}
	}
	o.evict()
	o.wake()
}

func (o *outbox) wake() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// maxEntries is the number of alerts of a receiver.
const maxEntries = 2 * maxHeld

// evict removes the oldest alerts beyond the bounds: first the ones that the receiver has
// not accepted.
func (o *outbox) evict() {
	size := 0
	for _, e := range o.entries {
		size += e.bytes()
	}
	for _, victim := range []func(*entry) bool{func(e *entry) bool { return !e.told }, (*entry).waits} {
		for size > o.cfg.Pending || len(o.entries) > maxEntries {
			i := slices.IndexFunc(o.entries, func(e *entry) bool { return victim(e) && !e.busy })
			if i < 0 || len(o.entries) == 1 {
				break
			}
			size -= o.entries[i].bytes()
			o.drop(i, &o.stats.Overflowed, errors.New("too much waits for the receiver"))
		}
	}
}

// drop removes an alert, and counts its messages in lost.
func (o *outbox) drop(i int, lost *uint64, why error) {
	e := o.entries[i]
	*lost += e.messages()
	o.entries = slices.Delete(o.entries, i, i+1)
	o.log.Error("alert is lost", "key", e.key, "because", why.Error())
}

// run sends messages when they are due, until ctx is done.
func (o *outbox) run(ctx context.Context) {
	for ctx.Err() == nil {
		batch, wait := o.next(time.Now())
		if len(batch) > 0 {
			o.keep(batch)
			o.deliver(ctx, batch)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-o.changed:
		case <-t.C:
		}
		t.Stop()
	}
}

// next returns the messages that are due, or the time until one may be.
func (o *outbox) next(now time.Time) (batch []parcel, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(now)
	o.join()
	next := now.Add(time.Hour)
	for _, e := range o.entries {
		switch m := o.pending(e); {
		case m == nil:
		case e.due.After(now):
			next = earlier(next, e.due)
		case len(batch) < o.wire.batch():
			batch = append(batch, parcel{e, m})
		}
	}
	if o.ending && !slices.ContainsFunc(o.entries, (*entry).waits) {
		o.finished()
	}
	if o.retry.After(now) {
		return nil, o.retry.Sub(now)
	}
	for i := range batch {
		batch[i].entry.busy = true
	}
	return batch, next.Sub(now)
}

// keep has alerts in the state file before they are sent for the first time. So an alert that was
// sent has the same key after a restart.
func (o *outbox) keep(batch []parcel) {
	o.mu.Lock()
	fresh := slices.ContainsFunc(batch, func(p parcel) bool { return !p.entry.saved })
	o.mu.Unlock()
	if fresh {
		o.save()
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// pending returns the message to send about an alert, now or when it is due; nil for none.
func (o *outbox) pending(e *entry) *Message {
	switch {
	case e.told && e.resolved != nil:
		return e.resolved
	case !e.told || o.wire.repeat() > 0 && !o.ending:
		return e.fired
	}
	return nil
}

// expire drops messages that have waited too long.
func (o *outbox) expire(now time.Time) {
	for i := 0; i < len(o.entries); i++ {
		if e := o.entries[i]; e.waits() && now.Sub(e.born) > o.cfg.Keep {
			o.drop(i, &o.stats.Expired, errors.New("the receiver was away for too long"))
			i--
		}
	}
}

// join leaves out the ends of alerts that later ones with equal labels continue, for a receiver
// with states. It takes both for one alert, so the end of the first would end the second.
func (o *outbox) join() {
	if o.wire.repeat() == 0 {
		return
	}
	for i := 0; i < len(o.entries); i++ {
		e := o.entries[i]
		if e.told && e.resolved != nil && !e.busy && slices.ContainsFunc(o.entries[i+1:], e.equals) {
			o.entries = slices.Delete(o.entries, i, i+1)
			o.advanced()
			i--
		}
	}
}

// equals reports whether two alerts have equal labels.
func (e *entry) equals(other *entry) bool {
	return e.fired.Severity == other.fired.Severity && maps.Equal(e.fired.Labels, other.fired.Labels)
}

// deliver sends a batch once. If the receiver rejects a batch, its parts are sent one by one.
func (o *outbox) deliver(ctx context.Context, batch []parcel) {
	attempt, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	err := o.wire.send(attempt, batch)
	cancel()
	refused, final := errors.AsType[refusal](err)
	if final && len(batch) > 1 {
		for _, p := range batch {
			o.deliver(ctx, []parcel{p})
		}
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range batch {
		p.entry.busy = false
	}
	switch {
	case err == nil:
		o.failures, o.retry = 0, time.Time{}
		for _, p := range batch {
			o.accepted(p, time.Now())
		}
		o.advanced()
	case final:
		if i := slices.Index(o.entries, batch[0].entry); i >= 0 {
			o.drop(i, &o.stats.Refused, refused)
		}
		o.advanced()
	default:
		o.delay(err)
	}
}

// accepted advances an alert whose state the receiver has accepted.
func (o *outbox) accepted(p parcel, now time.Time) {
	e := p.entry
	repeated := e.told
	switch {
	case p.msg.Status == Resolved:
		o.stats.Sent++
		o.entries = slices.DeleteFunc(o.entries, func(other *entry) bool { return other == e })
		return
	case repeated:
		o.stats.Repeated++
	default:
		o.stats.Sent++
		e.told = true
	}
	repeat := o.wire.repeat()
	if repeat == 0 {
		e.fired = nil
	}
	// An Alertmanager waits before it notifies. So a new alert stays for a while.
	e.due = now.Add(repeat)
	if e.resolved != nil {
		e.born = now
		if o.ending || repeated { // it ended while it was sent again
			e.due = now
		}
	}
}

// maxBackoff is the longest wait between two attempts.
const maxBackoff = time.Minute

// delay sets the time of the next attempt after a failed one.
func (o *outbox) delay(err error) {
	o.stats.Retries++
	if o.failures++; o.failures == 1 {
		o.log.Warn("receiver does not accept alerts, trying again", "error", err)
	}
	pause := min(o.cfg.Backoff<<min(o.failures-1, 16), maxBackoff)
	pause = pause*3/4 + rand.N(pause/2+1) // jitter, so that many agents do not retry at once
	if asked, ok := errors.AsType[later](err); ok {
		pause = max(pause, min(asked.after, maxBackoff))
	}
	if o.ending {
		pause = min(pause, time.Second)
	}
	o.retry = time.Now().Add(pause)
}

// finish makes the outbox send pending messages without delay, and nothing after that.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ending, o.retry = true, time.Time{}
	for _, e := range o.entries {
		e.due = time.Time{}
	}
	o.wake()
}

// finished closes done once.
func (o *outbox) finished() {
	select {
	case <-o.done:
	default:
		close(o.done)
	}
}

// wait waits until all is sent or ctx is done. It returns the number of messages that are lost.
func (o *outbox) wait(ctx context.Context) uint64 {
	select {
	case <-o.done:
	case <-ctx.Done():
	}
	return o.receiverStats().Pending
}

func (o *outbox) receiverStats() ReceiverStats {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	for _, e := range o.entries {
		if e.waits() {
			s.Pending += e.messages()
		}
	}
	return s
}
