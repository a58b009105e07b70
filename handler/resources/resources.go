// Package resources measures the cost of an input: the YAML module "input_resources". It samples
// the CPU time and the memory of the process. Samples are at least 5 s of packet time apart and
// need packets.
//
//	h, err := resources.New(resources.Config{})
//	...
//	h.SetAttached(3, 7) // policies and handlers that the input feeds, as they come and go
//	...
//	m := resources.From(snapshot)
//	fmt.Println(m.Memory.Quantile(0.5))
//
// CPU time covers the whole process, in percent of one processor. pktvisor measures the input's
// thread, which does not exist in Go programs.
package resources

import (
	"sync/atomic"
	"time"

	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

// Metrics holds the counts of a Handler.
type Metrics struct {
	Total       sketch.Counter  `metric:"total" total:"-" prom:"base_total" help:"samples taken, and changes of what is attached"`
	DeepSamples sketch.Counter  `metric:"deep_samples" total:"-" prom:"base_deep_samples" help:"samples and changes that were looked at in depth: all"`
	Rate        sketch.Rate     `metric:"event_rate" prom:"base_event_rate" help:"samples and changes per second"`
	CPU         sketch.Quantile `metric:"cpu_usage" total:"-" prom:"resources_cpu_usage" float:"true" help:"CPU time of the process since the sample before, per cent of one processor"`
	Memory      sketch.Quantile `metric:"memory_bytes" total:"-" prom:"resources_memory_bytes" help:"resident memory of the process, bytes"`
	Policies    metric.Gauge    `metric:"policy_count" prom:"resources_policy_count" help:"policies that the input feeds"`
	Handlers    metric.Gauge    `metric:"handler_count" prom:"resources_handler_count" help:"handlers that the input feeds"`
}

// Usage holds the resources used by the process.
type Usage struct {
	CPU    time.Duration // CPU time since its start
	Memory uint64        // current resident memory, bytes
}

// Config configures a Handler. The zero Config is ready to use. The handler does not have metric
// groups or filters.
type Config struct {
	handler.Settings

	// nil asks the system on Linux, macOS and BSD; elsewhere both are 0
	Read func() Usage
}

// Handler samples resources. Attached is safe for concurrent use.
type Handler struct {
	handler.Declared[Metrics]
	read     func() Usage
	shards   atomic.Int32
	attached atomic.Pointer[attached]
}

// attached counts the policies and handlers that an input feeds.
type attached struct {
	policies, handlers int
	changes            uint64 // so far
}

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	d, err := handler.Declare[Metrics](handler.Spec{Type: "input_resources"}, cfg.Settings)
	if err != nil {
		return nil, err
	}
	h := &Handler{Declared: d, read: cfg.Read}
	if h.read == nil {
		h.read = read
	}
	h.attached.Store(new(attached))
	return h, nil
}

// From returns the metrics of the first resources handler in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// SetAttached sets the number of policies and handlers that the input feeds. The answer shows it
// from the next packet on.
func (h *Handler) SetAttached(policies, handlers int) {
	for {
		old := h.attached.Load()
		if h.attached.CompareAndSwap(old, &attached{policies, handlers, old.changes + 1}) {
			return
		}
	}
}

// NewShard returns the part of h for one worker. Only the first takes samples, because they cover
// the whole process.
func (h *Handler) NewShard() handler.Shard {
	return &shard{
		Base:   h.NewBase(),
		h:      h,
		first:  h.shards.Add(1) == 1,
		before: h.read(),
		at:     time.Now(),
	}
}

// every is the sampling interval, as in pktvisor.
const every = 5 * time.Second

type shard struct {
	handler.Base[Metrics]
	h       *Handler
	first   bool
	changes uint64 // that have been counted
	due     int64  // packet time of the next sample, ns
	before  Usage
	at      time.Time // of before
}

// Process takes a sample if the interval has passed.
func (s *shard) Process(b *handler.Batch) {
	if !s.first || len(b.Packets) == 0 {
		return
	}
	now := b.Packets[len(b.Packets)-1].TimeNS
	a := s.h.attached.Load()
	if n := a.changes - s.changes; n > 0 {
		s.changes = a.changes
		s.event(now, n)
	}
	s.show(now)
	if now >= s.due || now < s.due-2*int64(every) { // packet time may step back
		s.due = now + int64(every)
		s.event(now, 1)
		s.sample()
	}
}

// Shift closes the live period. The next one begins with the current attachments.
func (s *shard) Shift(startNS int64) {
	s.Base.Shift(startNS)
	if s.first {
		s.show(startNS)
	}
}

func (s *shard) show(now int64) {
	a := s.h.attached.Load()
	s.Live.Policies.Set(uint64(a.policies), now)
	s.Live.Handlers.Set(uint64(a.handlers), now)
}

func (s *shard) event(now int64, n uint64) {
	s.Live.Total.Add(n)
	s.Live.DeepSamples.Add(n)
	s.Live.Rate.Add(time.Unix(0, now).Unix(), n)
	s.Events.Offered += n
	s.Events.Deep += n
}

func (s *shard) sample() {
	usage, now := s.h.read(), time.Now()
	if wall := now.Sub(s.at); wall > 0 {
		s.Live.CPU.Add(100 * float64(usage.CPU-s.before.CPU) / float64(wall))
	}
	s.Live.Memory.Add(float64(usage.Memory))
	s.before, s.at = usage, now
}
