package httpapi

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the answers that are made and sent at the same time, so that many clients cannot
// exhaust memory.
const (
	renderAtOnce = 4               // answers made at the same time
	renderQueue  = 64              // answers waiting to be made
	renderWait   = 5 * time.Second // maximum wait
	answerBytes  = 64 << 20        // size of all answers in transit
	retryAfter   = 1               // seconds
)

// renderings makes a limited number of answers at the same time. Clients with the same request
// share one answer. It is safe for concurrent use.
type renderings struct {
	slots   chan struct{}
	most    int // bytes
	refused atomic.Uint64

	mu      sync.Mutex
	running map[string]*rendering
	bytes   int
}

// rendering is an answer that is being made or sent.
type rendering struct {
	done  chan struct{}
	rep   reply
	users int // guarded by renderings.mu, like the following fields
	stay  int // users that have not disconnected
	bytes int

	wanted context.Context // done when no user stays
	leave  context.CancelFunc
}

func newRenderings(most int) *renderings {
	return &renderings{most: most, slots: make(chan struct{}, renderAtOnce), running: make(map[string]*rendering)}
}

// answer returns the result of render for key, and a function that the caller must call after
// sending it.
func (rs *renderings) answer(ctx context.Context, key string, render func() reply) (rep reply, sent func()) {
	rs.mu.Lock()
	r, shared := rs.running[key]
	if !shared && len(rs.running) >= renderAtOnce+renderQueue {
		rs.mu.Unlock()
		rs.refused.Add(1)
		return busy(), func() {}
	}
	if !shared {
		r = &rendering{done: make(chan struct{})}
		r.wanted, r.leave = context.WithCancel(context.Background())
		rs.running[key] = r
	}
	r.users++
	r.stay++
	rs.mu.Unlock()
	defer context.AfterFunc(ctx, func() { rs.disconnect(key, r) })()
	sent = func() { rs.release(r) }
	if !shared { // also if the client disconnects, because others may wait for this answer
		rs.render(key, r, render)
		return r.rep, sent
	}
	select {
	case <-r.done:
		return r.rep, sent
	case <-ctx.Done():
		return busy(), sent
	}
}

// disconnect notes that a client no longer waits for an answer. Without any, it is not made.
func (rs *renderings) disconnect(key string, r *rendering) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.stay--; r.stay == 0 {
		rs.end(key, r)
	}
}

// end has later clients wait for another answer. The caller holds mu.
func (rs *renderings) end(key string, r *rendering) {
	r.leave()
	if rs.running[key] == r {
		delete(rs.running, key)
	}
}

// render waits for a slot and makes an answer.
func (rs *renderings) render(key string, r *rendering, render func() reply) {
	rep := busy()
	defer func() { // also if render panics, because other clients wait for it
		rs.finish(key, r, rep)
	}()
	ctx, cancel := context.WithTimeout(r.wanted, renderWait)
	defer cancel()
	select {
	case rs.slots <- struct{}{}:
		defer func() { <-rs.slots }()
		rep = render()
	case <-ctx.Done():
	}
}

// finish passes an answer to the clients that wait for it, unless too many bytes are in transit.
func (rs *renderings) finish(key string, r *rendering, rep reply) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.bytes+len(rep.body) > rs.most && rs.bytes > 0 {
		rep = busy()
	}
	if rep.status == http.StatusServiceUnavailable {
		rs.refused.Add(uint64(r.users))
	}
	r.rep, r.bytes = rep, len(rep.body)
	rs.bytes += r.bytes
	rs.end(key, r)
	close(r.done)
}

func (rs *renderings) release(r *rendering) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.users--; r.users == 0 {
		rs.bytes -= r.bytes
		r.bytes = 0
	}
}

// busy returns a reply that asks the client to retry.
func busy() reply {
	rep := failure(http.StatusServiceUnavailable, "too many answers are being made: try again")
	rep.retry = retryAfter
	return rep
}
