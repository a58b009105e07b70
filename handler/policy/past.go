package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"visor/handler"
	"visor/handler/anonymize"
)

// Past returns earlier periods of a policy in order of time: closed periods, as they were received
// by [ManagerConfig.Closed], or sums of them. The setup identifies the configuration: its inputs,
// its modules and the key that hashes. Periods that were counted under another one do not compare.
// The sequence ends soon after ctx is done.
type Past func(ctx context.Context, policy, setup string) iter.Seq[*handler.Snapshot]

// setup identifies a policy's metrics and traffic. It is "" if a configuration has no form as JSON.
func (m *Manager) setup(p *Policy, parts []Part) string {
	type counted struct {
		Input     string
		Anonymize *anonymize.Config // of the tap, it precedes the policy's
		Modules   []Module
	}
	var all []counted
	for i := range parts {
		all = append(all, counted{parts[i].Input, parts[i].Tap.Anonymize, parts[i].Modules})
	}
	text, err := json.Marshal(struct {
		Parts     []counted
		Filter    Options
		Anonymize *anonymize.Config
		Sequence  bool
		Period    int64
		Key       string
	}{all, p.Input.Filter, p.Anonymize, p.Sequence, int64(m.cfg.Period), m.cfg.Hash.ID().String()})
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%016x", m.cfg.Hash.Sum(text))
}

// past returns the earlier periods of a policy, or nil without any.
func (m *Manager) past(p *Policy, parts []Part) func(context.Context) iter.Seq[*handler.Snapshot] {
	setup := m.setup(p, parts)
	if m.cfg.Past == nil || p.Lease > 0 || setup == "" {
		return nil
	}
	return func(ctx context.Context) iter.Seq[*handler.Snapshot] { return m.cfg.Past(ctx, p.Name, setup) }
}

// pastNames returns the names of handlers by the names of their modules in earlier periods. Periods
// of a policy with merge_like_handlers have one module for all handlers that are alike: it is
// compared with if there is only one such handler.
func pastNames(p *Policy, parts int, handlers []handler.Handler) map[string]string {
	names := make(map[string]string)
	alike := make(map[string]int)
	for _, h := range handlers {
		alike[mergedName(h.Info().Schema)]++
	}
	for _, h := range handlers {
		info := h.Info()
		names[info.Name] = info.Name
		if name := mergedName(info.Schema); p.Merge && parts == 1 && alike[name] == 1 {
			names[name] = info.Name
		}
	}
	return names
}

// learn adds earlier periods of some modules to the baselines, until ctx is done.
func (w *watch) learn(ctx context.Context, past func(context.Context) iter.Seq[*handler.Snapshot], names map[string]string) {
	defer close(w.learned)
	n := 0
	for s := range past(ctx) {
		if ctx.Err() != nil {
			return
		}
		own := *s
		own.Modules = nil
		for _, m := range s.Modules {
			if name := names[m.Name]; name != "" {
				m.Name = name
				own.Modules = append(own.Modules, m)
			}
		}
		if len(own.Modules) > 0 {
			n++
		}
		w.watcher.Learn(&own)
	}
	w.log.Info(fmt.Sprintf("policy [%s]: findings compare with %d earlier periods", w.policy, n))
}
