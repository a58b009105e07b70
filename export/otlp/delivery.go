package otlp

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// parcel is a waiting request.
type parcel struct {
	req  *request
	size int
	born time.Time
}

// enqueue queues a request, and drops the oldest ones beyond the limit.
func (p *Pusher) enqueue(m *metrics.ResourceMetrics) {
	req := &request{ResourceMetrics: []*metrics.ResourceMetrics{m}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, parcel{req, proto.Size(req), time.Now()})
	p.bytes += p.pending[len(p.pending)-1].size
	for p.bytes > p.cfg.Pending && len(p.pending) > 1 {
		p.drop(&p.stats.Overflowed, "too much waits for the receiver")
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// drop removes the oldest request and counts it in lost. The caller holds mu.
func (p *Pusher) drop(lost *uint64, why string) {
	p.bytes -= p.pending[0].size
	p.pending = p.pending[1:]
	*lost++
	p.cfg.Logger.Error("metrics are lost", "receiver", p.cfg.Endpoint, "because", why)
}

// oldest returns the request that has waited longest. It drops requests that have waited too long.
func (p *Pusher) oldest() (parcel, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pending) > 0 && time.Since(p.pending[0].born) > p.cfg.Budget {
		p.drop(&p.stats.Expired, "the receiver was away for too long")
	}
	if len(p.pending) == 0 {
		return parcel{}, false
	}
	return p.pending[0], true
}

// deliver sends queued requests in order until more is closed and the queue is empty, or ctx is
// done. When ended is closed, it no longer waits for the time of the next attempt, because the
// receiver may be back.
func (p *Pusher) deliver(ctx context.Context, ended <-chan struct{}) {
	for open := true; open; {
		_, open = <-p.more
		pause := p.cfg.Backoff
		for ctx.Err() == nil {
			next, waits := p.oldest()
			if !waits {
				break
			}
			if wait := p.attempt(ctx, next, pause); wait > 0 {
				pause = min(2*pause, 30*time.Second)
				if !sleep(ctx, ended, wait) {
					pause, ended = p.cfg.Backoff, nil
				}
				p.count(func(s *Stats) { s.Retries++ })
			} else {
				pause = p.cfg.Backoff
			}
		}
	}
}

// attempt sends a request once. It returns the time to wait before the next attempt, or 0 if the
// request is finished.
func (p *Pusher) attempt(ctx context.Context, next parcel, pause time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	resp, err := p.send(ctx, next.req)
	if err == nil {
		p.reached()
		p.done(next, "")
		if part := resp.GetPartialSuccess(); part.GetRejectedDataPoints() > 0 {
			p.cfg.Logger.Error("metrics are lost", "receiver", p.cfg.Endpoint, "points", part.RejectedDataPoints, "because", part.ErrorMessage)
			p.count(func(s *Stats) { s.Rejected += uint64(part.RejectedDataPoints) })
		}
		return 0
	}
	if refused, ok := errors.AsType[refusal](err); ok {
		p.reached()
		p.done(next, refused.Error())
		return 0
	}
	if !p.away { // once, not every 30 s of an outage
		p.cfg.Logger.Warn("receiver does not take metrics, trying again", "receiver", p.cfg.Endpoint, "error", err)
	}
	p.away = true
	wait := pause*3/4 + rand.N(pause/2+1) // jitter, so that many agents do not retry at once
	if asked, ok := errors.AsType[later](err); ok {
		wait = max(wait, min(asked.after, p.cfg.Budget))
	}
	return wait
}

// reached logs the end of an outage.
func (p *Pusher) reached() {
	if p.away {
		p.cfg.Logger.Info("receiver answers again", "receiver", p.cfg.Endpoint)
	}
	p.away = false
}

// done removes a request from the queue, unless it was dropped meanwhile.
func (p *Pusher) done(sent parcel, refused string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := len(p.pending) > 0 && p.pending[0].req == sent.req
	switch {
	case refused != "" && waits:
		p.drop(&p.stats.Refused, "the receiver refused them: "+refused)
	case refused == "":
		p.stats.Sent++
		if waits {
			p.bytes -= sent.size
			p.pending = p.pending[1:]
		} else {
			p.stats.Overflowed-- // dropped in transit, but delivered after all
		}
	}
}

// sleep sleeps for d. It returns false if it ended earlier.
func sleep(ctx context.Context, ended <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ended:
	case <-ctx.Done():
	}
	return false
}
