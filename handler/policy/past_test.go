package policy_test

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/handler/anonymize"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/wait"
	"visor/sketch/hash64"
)

// A policy asks for its earlier periods with what identifies its configuration. It ends although
// there are more.
func TestPast(t *testing.T) {
	asked := make(chan [2]string, 10)
	cfg := policy.ManagerConfig{
		Types: builtin.Catalog(), Open: (&inputs{}).open, Hash: hash64.New(hash64.Key{1}),
		Past: func(ctx context.Context, policy, setup string) iter.Seq[*handler.Snapshot] {
			return func(yield func(*handler.Snapshot) bool) {
				asked <- [2]string{policy, setup}
				for ctx.Err() == nil && yield(&handler.Snapshot{}) {
				}
			}
		},
	}
	setup := func(change func(*policy.Policy)) string {
		m := policy.NewManager(cfg)
		require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: policy.Options{"iface": "eth0"}}))
		p := counting("a")
		change(&p)
		r := add(t, m, p)
		got := wait.Receive(t, asked, "the question for earlier periods")
		require.Equal(t, "a", got[0])
		require.NotEmpty(t, got[1])
		active, resolved := r.Findings()
		require.Empty(t, append(active, resolved...), "nothing waits for history")
		require.NoError(t, m.Close())
		return got[1]
	}
	same := setup(func(*policy.Policy) {})
	require.Equal(t, same, setup(func(p *policy.Policy) { p.Findings.MinLabels = 7 }))
	for name, change := range map[string]func(*policy.Policy){
		"filter":        func(p *policy.Policy) { p.Input.Filter = policy.Options{"bpf": "udp"} },
		"input":         func(p *policy.Policy) { p.Input.Config = policy.Options{"host_spec": "10.0.0.0/8"} },
		"module":        func(p *policy.Policy) { p.Modules[1].Version = "1.0" },
		"module filter": func(p *policy.Policy) { p.Modules[1].Filter = policy.Options{"only_rcode": uint64(0)} },
		"anonymize":     func(p *policy.Policy) { p.Anonymize = &anonymize.Config{IPv4: 16} },
		"sequence":      func(p *policy.Policy) { p.Sequence = true },
	} {
		require.NotEqual(t, same, setup(change), name)
	}
	cfg.Hash = hash64.New(hash64.Key{2})
	require.NotEqual(t, same, setup(func(*policy.Policy) {}), "another key")
	cfg.Past = nil
	m := policy.NewManager(cfg)
	require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap"}))
	add(t, m, counting("a"))
	require.NoError(t, m.Close())
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Earlier periods of a policy with merge_like_handlers are merged, too. They count for its only
// handler of a type.
func TestPastOfMerged(t *testing.T) {
	for name, tt := range map[string]struct {
		merge   bool
		modules []policy.Module
		learned string
	}{
		"merged":             {true, []policy.Module{{Name: "dns", Type: "dns"}}, "compare with 2 earlier"},
		"not merged":         {false, []policy.Module{{Name: "dns", Type: "dns"}}, "compare with 0 earlier"},
		"merged, two alike":  {true, []policy.Module{{Name: "dns", Type: "dns"}, {Name: "more", Type: "dns"}}, "compare with 0 earlier"},
		"merged, two unlike": {true, []policy.Module{{Name: "dns", Type: "dns"}, {Name: "net", Type: "net"}}, "compare with 2 earlier"},
	} {
		t.Run(name, func(t *testing.T) {
			var log lines
			m := policy.NewManager(policy.ManagerConfig{
				Types: builtin.Catalog(), Open: (&inputs{}).open, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Past: func(context.Context, string, string) iter.Seq[*handler.Snapshot] {
					period := &handler.Snapshot{Modules: []handler.Module{{Info: handler.Info{Name: "dns_merged", Type: "dns"}}}}
					return slices.Values([]*handler.Snapshot{period, period})
				},
			})
			require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: policy.Options{"iface": "eth0"}}))
			p := counting("a")
			p.Merge, p.Modules = tt.merge, tt.modules
			add(t, m, p)
			wait.Until(t, func() bool { return strings.Contains(log.text(), tt.learned) }, log.text)
			require.NoError(t, m.Close())
		})
	}
}
