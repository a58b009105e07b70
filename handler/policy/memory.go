package policy

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// ErrMemory is the error of a policy that does not fit into ManagerConfig.Memory.
var ErrMemory = errors.New("does not fit into the memory limit")

// The maximum bytes of inputs and handlers, measured with the traffic of internal/attack and
// rounded up.
const (
	mib = 1 << 20

	workerBytes = 2 * mib // decoders and batches of a worker
	connBytes   = 896     // a TCP connection of a worker, and a handshake
	maxConns    = 1 << 15 // number of these, unless an input asks for more
	// segments and incomplete messages of a worker, unless the limit is small
	streamBytes    = 8 * mib
	fragmentBytes  = 4 * mib  // incomplete datagrams of a worker, unless the limit is small
	dnstapBytes    = 52 * mib // clients, long frames and batches of a dnstap input
	collectorBytes = 20 * mib // state of exporters
	flowBytes      = 96 * mib // of a flow handler, unless the limit is small
)

// fragments is the maximum of a worker's incomplete datagrams.
func (m *Manager) fragments() int {
	if m.cfg.Memory == 0 {
		return fragmentBytes
	}
	return int(min(fragmentBytes, max(m.cfg.Memory/64, 1<<18)))
}

// streams is the maximum of a worker's waiting TCP segments and incomplete messages.
func (m *Manager) streams() int {
	if m.cfg.Memory == 0 {
		return streamBytes
	}
	return int(min(streamBytes, max(m.cfg.Memory/64, 1<<18)))
}

// conns is the maximum number of a worker's TCP connections. An input that asks for more receives
// as many as fit into a quarter of the limit. pktvisor's default, 300,000, fits into few limits.
func (m *Manager) conns(asked int) int {
	asked = cmp.Or(asked, maxConns)
	if m.cfg.Memory == 0 {
		return asked
	}
	return min(asked, int(max(m.cfg.Memory/4/connBytes, maxConns)))
}

// flows is the maximum of a flow handler.
func (m *Manager) flows() int {
	if m.cfg.Memory == 0 {
		return flowBytes
	}
	return int(min(flowBytes, max(m.cfg.Memory/4, 8*mib)))
}

// inputBytes is the maximum of an input.
func (m *Manager) inputBytes(typ string, config Options) int64 {
	if t := m.cfg.Types.input(typ); t != nil && t.bytes != nil {
		return t.bytes(m, config)
	}
	return workerBytes
}

func (m *Manager) pcapBytes(config Options) int64 {
	in, err := readPcapInput(config)
	ring := in.RingSize
	if err != nil || in.Interface == "" {
		ring = 0 // it cannot be opened, or lacks a ring
	}
	return int64(workerBytes + connBytes*m.conns(in.MaxConns) + m.streams() + m.fragments() + ring)
}

// partBytes is the maximum of a part's modules.
func (m *Manager) partBytes(part *Part) (sum int64) {
	for i := range part.Modules {
		sum += m.moduleBytes(&part.Modules[i])
	}
	return sum
}

// moduleBytes is the maximum of a module: the running period and the closed ones.
func (m *Manager) moduleBytes(mod *Module) int64 {
	opts := merged(mod.Config, mod.Filter)
	periods := int64(5)
	if n, ok := opts["num_periods"].(uint64); ok {
		periods = int64(min(max(n, 1), 10))
	}
	switch mod.Type {
	case "dns":
		return 8*mib + 3*mib*(periods-1)
	case "net":
		return mib * periods
	case "flow":
		return int64(m.flows())
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
		sum = append(sum, fmt.Sprintf("%s %s", what, megabytes(n)))
	}
	opened := make(map[string]bool)
	for i := range parts {
		part := &parts[i]
		if in := m.inputs[part.Input]; (in == nil || in.over()) && !opened[part.Input] {
			opened[part.Input] = true
			add("input "+part.Tap.Name, m.inputBytes(part.Tap.InputType, merged(part.Tap.Config, p.Input.Config, p.Input.Filter)))
		}
		for j := range part.Modules {
			add(part.Modules[j].Type, m.moduleBytes(&part.Modules[j]))
		}
	}
	if taken+need <= m.cfg.Memory {
		return nil
	}
	return fmt.Errorf("policy [%s] %w: it may need %s (%s), and others %s of %s", p.Name, ErrMemory,
		megabytes(need), strings.Join(sum, ", "), megabytes(taken), megabytes(m.cfg.Memory))
}

// taken is the maximum of all inputs, and of all policies except one.
func (m *Manager) taken(except string) (sum int64) {
	for _, in := range m.inputs {
		if !in.over() {
			sum += in.bytes
		}
	}
	for name, r := range m.policies {
		if name == except {
			continue
		}
		for i := range r.Parts {
			sum += m.partBytes(&r.Parts[i])
		}
	}
	return sum
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
