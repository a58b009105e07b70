package policy

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"visor/decode"
	"visor/handler"
	"visor/handler/resources"
)

// input feeds the policies that share it. Immutable fields may be read concurrently, others only by
// the goroutine that changes the Manager.
type input struct {
	name   string
	config Options
	bytes  int64 // its memory bound
	live   bool
	hosts  decode.NetSet
	facts  Options
	// the facts have the number of unreadable datagrams
	datagrams bool
	pipeline  *handler.Pipeline
	usage     *resources.Handler
	ended     chan struct{}
	end       context.CancelFunc // nil before it runs
	again     *reopening         // nil if it is not reopened after errors

	mu       sync.Mutex // guards policies and handlers, which the API shows
	policies int
	handlers int
}

// resources is the name of the policy that measures the cost of the input.
func (in *input) resources() string { return in.name + "-resources" }

// watch attaches the handler that measures the cost of the input, and returns it as a policy.
func (in *input) watch(t *Tap, periods int) (*Running, error) {
	name := in.resources()
	mod := Module{Name: name, Type: "input_resources", Version: "1.0", Config: Options{"num_periods": uint64(periods), tapKey: t.Name}}
	usage, err := resources.New(resources.Config{Settings: handler.Settings{Name: name, Tap: t.Name, Periods: periods}})
	if err != nil {
		return nil, err
	}
	group, err := in.pipeline.Attach(handler.AttachConfig{Handlers: []handler.Handler{usage}})
	if err != nil {
		return nil, err
	}
	in.usage = usage
	return &Running{
		measures: true, ended: make(chan struct{}),
		Policy: Policy{Name: name, Input: Input{Tap: t.Name, InputType: t.InputType}, Modules: []Module{mod}},
		Parts:  []Part{{Tap: *t, Input: in.name, Attachment: group, Modules: []Module{mod}, input: in}},
	}, nil
}

// run starts the input once.
func (in *input) run(log *slog.Logger) {
	if in.end != nil {
		return
	}
	ctx, end := context.WithCancel(context.Background())
	in.end = end
	if in.live {
		go in.watchDirections(ctx, log)
	}
	go func() {
		defer close(in.ended)
		defer end()
		if err := in.pipeline.Run(ctx); err != nil {
			log.Error("input ended", "input", in.name, "error", err)
		}
	}()
}

// over reports whether the input has ended.
func (in *input) over() bool {
	select {
	case <-in.ended:
		return true
	default:
		return false
	}
}

var errOver = errors.New("it has ended")

// down returns why a live input does not run, or nil.
func (in *input) down() error {
	switch {
	case !in.live:
		return nil
	case in.over():
		return errOver
	case in.again != nil:
		return in.again.state().Err
	}
	return nil
}

// running reports whether the input delivers frames or will do so.
func (in *input) running() bool { return !in.over() && in.down() == nil }

// change updates the policies and handlers that the input feeds.
func (in *input) change(policies, handlers int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.policies += policies
	in.handlers += handlers
	in.usage.SetAttached(in.policies, in.handlers)
}
