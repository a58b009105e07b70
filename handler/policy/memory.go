package policy

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// ErrMemory is the error of a policy that does not fit into ManagerConfig.Memory.
var ErrMemory = errors.New("does not fit into the memory limit")

const (
	mib = 1 << 20

	// WorkerBytes is the maximum of a worker's decoders and batches.
	WorkerBytes = 2 * mib

	// These are the maximum bytes of parts of inputs and handlers, measured with the traffic of
	// internal/attack and rounded up.

	connBytes     = 896     // a TCP connection of a worker, and a handshake
	maxConns      = 1 << 15 // number of these, unless an input asks for more
	streamBytes   = 8 * mib
	fragmentBytes = 4 * mib
	flowBytes     = 96 * mib
)

// Limits are the maximum bytes of parts of inputs and handlers. They depend on
// ManagerConfig.Memory.
type Limits struct{ memory int64 }

// Fragments is the maximum of a worker's incomplete datagrams.
func (l Limits) Fragments() int { return l.share(fragmentBytes, l.memory/64, 1<<18) }

// Streams is the maximum of a worker's waiting TCP segments and incomplete messages.
func (l Limits) Streams() int { return l.share(streamBytes, l.memory/64, 1<<18) }

// Flows is the maximum of a flow handler.
func (l Limits) Flows() int { return l.share(flowBytes, l.memory/4, 8*mib) }

// share returns the default without a memory limit. Otherwise it returns a part of the limit, from
// least to the default.
func (l Limits) share(usual, part, least int64) int {
	if l.memory == 0 {
		return int(usual)
	}
	return int(min(usual, max(part, least)))
}

// Conns is the maximum number of a worker's TCP connections. An input that asks for more receives
// as many as fit into a quarter of the limit. pktvisor's default, 300,000, fits into few limits.
func (l Limits) Conns(asked int) int {
	asked = cmp.Or(asked, maxConns)
	if l.memory == 0 {
		return asked
	}
	return min(asked, int(max(l.memory/4/connBytes, maxConns)))
}

// ConnBytes is the maximum of a worker's TCP connections.
func (l Limits) ConnBytes(asked int) int64 { return connBytes * int64(l.Conns(asked)) }

func (m *Manager) limits() Limits { return Limits{m.cfg.Memory} }

// inputBytes is the maximum of an input.
func (m *Manager) inputBytes(typ string, config, only Options) int64 {
	t := m.cfg.Types.input(typ)
	if t == nil {
		return WorkerBytes
	}
	in, _ := t.parse(config, only)
	return in.bytes(m.limits())
}

// partBytes is the maximum of a part's modules.
func (m *Manager) partBytes(part *Part) (sum int64) {
	for i := range part.Modules {
		sum += m.moduleBytes(&part.Modules[i])
	}
	return sum
}

// moduleBytes is the maximum of a module: the live period and the closed ones.
func (m *Manager) moduleBytes(mod *Module) int64 {
	opts := merged(mod.Config, mod.Filter)
	periods := int64(5)
	if n, ok := opts["num_periods"].(uint64); ok {
		periods = int64(min(max(n, 1), 10))
	}
	if a := m.cfg.Types.analyzer(mod.Type, mod.Version); a != nil && a.Bytes != nil {
		bytes := a.Bytes(periods, m.limits())
		if a.OwnBytes != nil && a.hasOwn(mod) {
			bytes += a.OwnBytes(periods)
		}
		return bytes
	}
	return mib / 4 * periods
}

// fits returns an error if a policy does not fit beside the others. It ignores a policy with the
// same name, which will be replaced.
func (m *Manager) fits(p *Policy, parts []Part) error {
	if m.cfg.Memory == 0 {
		return nil
	}
	taken := m.taken(p.Name)
	need, sum := int64(0), []string{}
	add := func(what string, n int64) {
		need += n
		sum = append(sum, fmt.Sprintf("%s %s", what, mebibytes(n)))
	}
	opened := make(map[string]bool)
	for i := range parts {
		part := &parts[i]
		if !opened[part.Input] && m.joinable(part.Input) == nil {
			opened[part.Input] = true
			add("input "+part.Tap.Name, m.inputBytes(part.Tap.InputType, merged(part.Tap.Config, p.Input.Config), p.Input.Filter))
		}
		for j := range part.Modules {
			add(part.Modules[j].Type, m.moduleBytes(&part.Modules[j]))
		}
	}
	if taken+need <= m.cfg.Memory {
		return nil
	}
	return fmt.Errorf("policy [%s] %w: it may need %s (%s), and others %s of %s", p.Name, ErrMemory,
		mebibytes(need), strings.Join(sum, ", "), mebibytes(taken), mebibytes(m.cfg.Memory))
}

// taken is the maximum of all inputs, and of all policies except one.
func (m *Manager) taken(except string) (sum int64) {
	for _, in := range m.inputs {
		if !in.over() {
			sum += in.bytes
		}
	}
	for name, r := range m.policies.all() {
		if name == except {
			continue
		}
		for i := range r.Parts {
			sum += m.partBytes(&r.Parts[i])
		}
	}
	return sum
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/mib) }
