package otlp

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"visor/sketch"
)

// parcel is a waiting request.
type parcel struct {
	req  *request
	size int
	born time.Time
}

// enqueue queues a request, and drops the oldest ones beyond the limit, except the one that is
// being sent: whether it is lost is not known yet, and counts of losses never fall.
func (p *Pusher) enqueue(m *metrics.ResourceMetrics) {
	req := &request{ResourceMetrics: []*metrics.ResourceMetrics{m}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, parcel{req, proto.Size(req), time.Now()})
	p.bytes += p.pending[len(p.pending)-1].size
	first := 0
	if p.sending {
		first = 1
	}
	for p.bytes > p.cfg.Pending && len(p.pending) > first+1 {
		p.drop(first, &p.stats.Overflowed, "too much waits for the receiver")
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// drop removes the i-th request and counts it in lost. The caller holds mu.
func (p *Pusher) drop(i int, lost *uint64, why string) {
	p.remove(i)
	*lost++
	p.cfg.Logger.Error("metrics are lost", "receiver", p.cfg.Endpoint, "because", why)
}

func (p *Pusher) remove(i int) {
	p.bytes -= p.pending[i].size
	p.pending = slices.Delete(p.pending, i, i+1)
}

// oldest returns the request that has waited longest, to be sent. It drops requests that have
// waited too long.
func (p *Pusher) oldest() (parcel, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pending) > 0 && time.Since(p.pending[0].born) > p.cfg.Budget {
		p.drop(0, &p.stats.Expired, "the receiver was away for too long")
	}
	if len(p.pending) == 0 {
		return parcel{}, false
	}
	p.sending = true
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
	p.sent(err)
	if err == nil {
		p.reached()
		if part := resp.GetPartialSuccess(); part.GetRejectedDataPoints() > 0 {
			p.cfg.Logger.Error("metrics are lost", "receiver", p.cfg.Endpoint, "points", part.RejectedDataPoints, "because", part.ErrorMessage)
			p.count(func(s *Stats) {
				rejected := sketch.Counter(s.Rejected) // saturates: the receiver chooses the number
				rejected.Add(uint64(part.RejectedDataPoints))
				s.Rejected = rejected.Value()
			})
		}
		return 0
	}
	if _, final := errors.AsType[refusal](err); final {
		p.reached()
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

// sent ends the attempt to send the oldest request. It removes the request if the receiver accepted
// it or rejected it for good.
func (p *Pusher) sent(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sending = false
	if err == nil {
		p.stats.Sent++
		p.remove(0)
	} else if refused, ok := errors.AsType[refusal](err); ok {
		p.drop(0, &p.stats.Refused, "the receiver refused them: "+refused.Error())
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
