package policy_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler/dns"
	"visor/handler/network"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/handler/resources"
	"visor/internal/trafficgen"
	"visor/internal/wait"
)

// feed is a source of frames that the test supplies, one batch at a time.
type feed struct {
	frames chan []capture.Frame
	once   sync.Once
	closed chan struct{}
}

func newFeed() *feed {
	return &feed{frames: make(chan []capture.Frame), closed: make(chan struct{})}
}

func (f *feed) ReadBatch(b *capture.Batch) error {
	select {
	case b.Frames = <-f.frames:
		return nil
	case <-f.closed:
		return capture.ErrClosed
	}
}

func (f *feed) Live() bool { return true }

func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// inputs opens feeds, and remembers them.
type inputs struct {
	feeds []*feed
	fail  error
}

func (i *inputs) open(typ string, config, only policy.Options) (policy.Opened, error) {
	if i.fail != nil {
		return policy.Opened{}, i.fail
	}
	f := newFeed()
	i.feeds = append(i.feeds, f)
	return policy.Opened{Sources: []capture.Source{f}}, nil
}

// openNow returns how many feeds are open.
func (i *inputs) openNow() (n int) {
	for _, f := range i.feeds {
		select {
		case <-f.closed:
		default:
			n++
		}
	}
	return n
}

func manager(t testing.TB) (*policy.Manager, *inputs) {
	in := &inputs{}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: in.open})
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.Zero(t, in.openNow(), "inputs are closed")
	})
	require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap", Config: policy.Options{"iface": "eth0"}, Tags: policy.Options{"virtual": true, "vhost": uint64(1), "site": "north"}}))
	require.NoError(t, m.AddTap(policy.Tap{Name: "names", InputType: "dnstap", Config: policy.Options{"socket": "/run/tap"}, Tags: policy.Options{"virtual": false}}))
	return m, in
}

// counting is a policy that counts packets of the tap wired.
func counting(name string) policy.Policy {
	return policy.Policy{
		Name: name, Input: policy.Input{Tap: "wired", InputType: "pcap"},
		Modules: []policy.Module{{Name: "net", Type: "net"}, {Name: "dns", Type: "dns", Version: "2.0"}},
	}
}

func add(t testing.TB, m *policy.Manager, p policy.Policy) *policy.Running {
	r, err := m.AddPolicy(p)
	require.NoError(t, err)
	return r
}

func packets(n int) []capture.Frame {
	cfg := trafficgen.VariedDNS(n)
	cfg.Names = 100
	frames, _ := trafficgen.Frames(cfg)
	return frames
}

func eventsOf(t testing.TB, r *policy.Running) uint64 {
	snap, err := r.Parts[0].Attachment.Bucket(0)
	require.NoError(t, err)
	return network.From(snap).Events.Value()
}

func TestManagerShares(t *testing.T) {
	m, in := manager(t)
	add(t, m, counting("a"))
	add(t, m, counting("b"))
	other := counting("c")
	other.Input.Config = policy.Options{"bpf": "udp"}
	add(t, m, other)
	require.Len(t, in.feeds, 2, "the first two share an input")
	a, b, c := m.Policy("a"), m.Policy("b"), m.Policy("c")
	require.Equal(t, a.Parts[0].Input, b.Parts[0].Input)
	require.NotEqual(t, a.Parts[0].Input, c.Parts[0].Input)
	require.Equal(t, "a-wired-net", a.Parts[0].Attachment.Infos()[0].Name)

	in.feeds[0].frames <- packets(100)
	in.feeds[0].frames <- nil // taken when the batch before has been counted
	require.Equal(t, []uint64{100, 100, 0}, []uint64{eventsOf(t, a), eventsOf(t, b), eventsOf(t, c)})

	require.NoError(t, m.RemovePolicy("a"))
	in.feeds[0].frames <- packets(10)
	in.feeds[0].frames <- nil
	require.Equal(t, []uint64{100, 110}, []uint64{eventsOf(t, a), eventsOf(t, b)})
	require.NoError(t, m.RemovePolicy("b"))
	require.Equal(t, 1, in.openNow())
	require.ErrorIs(t, m.RemovePolicy("b"), policy.ErrUnknown)
	require.Len(t, m.Policies(), 2, "one tells what the input costs")
	require.NoError(t, m.RemoveTap("wired"), "policies run on")
	require.ErrorIs(t, m.RemoveTap("wired"), policy.ErrUnknown)
	require.Len(t, m.Taps(), 1)
	in.feeds[1].frames <- packets(5)
	in.feeds[1].frames <- nil
	require.Equal(t, uint64(5), eventsOf(t, c))
}

// A policy that cannot start leaves nothing behind.
func TestManagerErrors(t *testing.T) {
	for want, change := range map[string]func(p *policy.Policy, in *inputs){
		"policy [b] failed to start: wrong":                func(p *policy.Policy, _ *inputs) { p.Fault = errors.New("policy [b] failed to start: wrong") },
		"policy with name 'a' already defined":             func(p *policy.Policy, _ *inputs) { p.Name = "a" },
		"tap 'x' does not exist":                           func(p *policy.Policy, _ *inputs) { p.Input.Tap = "x" },
		"tap 'wird' does not exist; did you mean 'wired'?": func(p *policy.Policy, _ *inputs) { p.Input.Tap = "wird" },
		"input_type for policy specified tap 'wired' doesn't match tap's defined input type: dnstap/pcap": func(p *policy.Policy, _ *inputs) { p.Input.InputType = "dnstap" },
		"no tap match found for specified 'input.tap_selector' tags":                                      func(p *policy.Policy, _ *inputs) { p.Input.Selector = &policy.Selector{} },
		"policy [b] failed to start: FlowStreamHandler: unsupported input event proxy wired-": func(p *policy.Policy, _ *inputs) {
			p.Modules[1] = policy.Module{Name: "flow", Type: "flow"}
		},
		"policy [b] failed to start: rates is an invalid/unsupported metric group": func(p *policy.Policy, _ *inputs) { p.Modules[1].Enable = []string{"rates"} },
		"policy [b] failed to start: handler: module name 'b-wired-net' already exists": func(p *policy.Policy, _ *inputs) {
			p.Input.Config = policy.Options{"bpf": "udp"}
			p.Modules[1] = p.Modules[0]
		},
		"policy [b] failed to start: no such device": func(p *policy.Policy, in *inputs) {
			p.Input.Config = policy.Options{"bpf": "udp"}
			in.fail = errors.New("no such device")
		},
		"tag and selector value types are different for key 'vhost'": func(p *policy.Policy, _ *inputs) {
			p.Input.Selector = &policy.Selector{All: true, Tags: []policy.Tag{{Key: "vhost", Value: "1"}}}
		},
	} {
		t.Run(want, func(t *testing.T) {
			m, in := manager(t)
			add(t, m, counting("a"))
			p := counting("b")
			change(&p, in)
			_, err := m.AddPolicy(p)
			require.ErrorContains(t, err, want)
			require.Len(t, m.Policies(), 2)
			require.Equal(t, 1, in.openNow())
			in.fail = nil
			add(t, m, counting("b")) // it can be mended
		})
	}
	m, _ := manager(t)
	require.ErrorIs(t, m.AddTap(policy.Tap{Name: "wired"}), policy.ErrExists)
}

// Selectors match all tags in order, or any of them.
func TestSelectors(t *testing.T) {
	virtual, physical := policy.Tag{Key: "virtual", Value: true}, policy.Tag{Key: "virtual", Value: false}
	host, site, missing := policy.Tag{Key: "vhost", Value: uint64(1)}, policy.Tag{Key: "site", Value: "south"}, policy.Tag{Key: "rack", Value: "1"}
	for name, tt := range map[string]struct {
		selector policy.Selector
		match    bool
	}{
		"all match":           {policy.Selector{All: true, Tags: []policy.Tag{virtual, host}}, true},
		"one differs":         {policy.Selector{All: true, Tags: []policy.Tag{virtual, site}}, false},
		"one is missing":      {policy.Selector{All: true, Tags: []policy.Tag{virtual, missing}}, false},
		"all of nothing":      {policy.Selector{All: true}, false},
		"any matches":         {policy.Selector{Tags: []policy.Tag{site, missing, host}}, true},
		"none of any matches": {policy.Selector{Tags: []policy.Tag{site, missing, physical}}, false},
		"any of nothing":      {policy.Selector{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := manager(t)
			require.NoError(t, m.RemoveTap("names"))
			p := counting("a")
			p.Input = policy.Input{Selector: &tt.selector, InputType: "pcap"}
			_, err := m.AddPolicy(p)
			if tt.match {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, policy.ErrNoTap)
			}
		})
	}
}

// A policy on several taps has its handlers once for each.
func TestManagerManyTaps(t *testing.T) {
	m, in := manager(t)
	require.NoError(t, m.AddTap(policy.Tap{Name: "second", InputType: "pcap", Tags: policy.Options{"virtual": true}}))
	p := counting("a")
	p.Input = policy.Input{Selector: &policy.Selector{Tags: []policy.Tag{{Key: "virtual", Value: true}}}, InputType: "pcap"}
	add(t, m, p)
	require.Len(t, in.feeds, 2)
	parts := m.Policy("a").Parts
	require.Equal(t, []string{"second", "wired"}, []string{parts[0].Tap.Name, parts[1].Tap.Name})
}

// Unlike in pktvisor, a recording is read only after a policy uses it. The document's defaults and
// windows reach the handlers.
func TestManagerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcap")
	truth, err := trafficgen.WriteFile(path, trafficgen.VariedDNS(1000))
	require.NoError(t, err)
	doc, err := builtin.Catalog().Parse(fmt.Appendf(nil, `
visor:
  taps: {file: {input_type: pcap, config: {pcap_file: %q, host_spec: %q}}}
  global_handler_config: {dns: {only_qtype: [A]}}
  policies:
    all: {kind: collection, input: {tap: file, input_type: pcap}, handlers: {window_config: {num_periods: 1}, modules: {net: {type: net}, dns: {type: dns}}}}
`, path, trafficgen.LocalNets))
	require.NoError(t, err)
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	require.NoError(t, m.Load(doc))
	r := m.Policy("all")
	wait.Until(t, func() bool { return eventsOf(t, r) == truth.Packets })
	snap, err := r.Parts[0].Attachment.Bucket(0)
	require.NoError(t, err)
	require.NotZero(t, network.From(snap).In.Value())
	require.NotZero(t, dns.From(snap).Filtered.Value())
	require.ErrorContains(t, m.Load(&policy.Document{Global: doc.Global}), "already exists in global_handler_config")
}

// lingering is a recording whose Close waits, so that its pipeline has finished for a while before
// it ends.
type lingering struct {
	*capture.Memory
	closing, release chan struct{}
	once             sync.Once
}

func (l *lingering) Close() error {
	l.once.Do(func() {
		close(l.closing)
		<-l.release
	})
	return nil
}

// A policy that comes while a recording ends counts the recording from its beginning: the input
// that ends has nothing left for it.
func TestRecordingEnds(t *testing.T) {
	frames, ends := packets(100), make(chan *lingering, 2)
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: func(string, policy.Options, policy.Options) (policy.Opened, error) {
		l := &lingering{Memory: capture.NewMemory(frames), closing: make(chan struct{}), release: make(chan struct{})}
		ends <- l
		return policy.NewOpened(l), nil
	}})
	require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap"}))
	first := add(t, m, counting("first"))
	l := <-ends
	<-l.closing
	time.AfterFunc(50*time.Millisecond, func() { close(l.release) }) // while AddPolicy waits
	second := add(t, m, counting("second"))
	l = <-ends
	<-l.closing
	close(l.release)
	for _, r := range []*policy.Running{first, second} {
		<-r.Parts[0].Ended()
		require.Equal(t, uint64(100), eventsOf(t, r), r.Policy.Name)
	}
	require.NoError(t, m.Close())
}

// Policies start and end 300 times under traffic. The one that stays misses nothing, and no
// resources leak.
func TestManagerChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves out hundreds of policies")
	}
	m, in := manager(t)
	add(t, m, counting("stays"))
	first := in.feeds[0]
	first.frames <- nil
	first.frames <- nil // all goroutines of the input run now
	before := runtime.NumGoroutine()
	done := make(chan uint64)
	stop := make(chan struct{})
	go func() {
		frames, sent := packets(64), uint64(0)
		for {
			select {
			case first.frames <- frames:
				sent += uint64(len(frames))
			case <-stop:
				done <- sent
				return
			}
		}
	}()
	for i := range 300 {
		p := counting("comes and goes")
		if i%3 == 0 { // with a separate input
			p.Input.Config = policy.Options{"bpf": fmt.Sprint("port ", i+1)}
		}
		add(t, m, p)
		if i%2 == 0 {
			_ = eventsOf(t, m.Policy("comes and goes"))
		}
		require.NoError(t, m.RemovePolicy("comes and goes"))
	}
	close(stop)
	sent := <-done
	first.frames <- nil
	require.Equal(t, sent, eventsOf(t, m.Policy("stays")))
	require.Equal(t, 1, in.openNow())
	wait.Until(t, func() bool { return runtime.NumGoroutine() <= before+1 })
}

// A separate handler measures the cost of an input.
func TestManagerResources(t *testing.T) {
	m, in := manager(t)
	add(t, m, counting("a"))
	add(t, m, counting("b"))
	in.feeds[0].frames <- packets(1)
	in.feeds[0].frames <- nil
	snap, err := m.Policy(m.Policy("a").Parts[0].Input + "-resources").Bucket(0)
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 4}, []uint64{resources.From(snap).Policies.Value(), resources.From(snap).Handlers.Value()})
}

// A policy may not take the name of the one that measures an input. One that has such a name before
// the input is opened keeps it, and ends like any other.
func TestManagerResourcesName(t *testing.T) {
	m, in := manager(t)
	a := add(t, m, counting("a"))
	name := a.Parts[0].Input + "-resources"
	_, err := m.ReplacePolicy(counting(name))
	require.ErrorIs(t, err, policy.ErrExists)
	require.Equal(t, "input_resources", m.Policy(name).Parts[0].Modules[0].Type)
	require.NoError(t, m.RemovePolicy("a"))
	require.Zero(t, in.openNow())

	other := counting(name)
	other.Input = policy.Input{Tap: "names", InputType: "dnstap"}
	same := add(t, m, other)
	add(t, m, counting("a"))
	require.Same(t, same, m.Policy(name))
	_, err = m.ReplacePolicy(counting(name))
	require.NoError(t, err)
	require.Equal(t, 1, in.openNow())
	require.NoError(t, m.RemovePolicy("a"))
	require.NoError(t, m.RemovePolicy(name))
	require.Zero(t, in.openNow())
	require.Empty(t, m.Policies())
}

func ExampleManager() {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	doc, err := builtin.Catalog().Parse([]byte(`
visor:
  taps:
    demo: {input_type: mock}
  policies:
    everything:
      kind: collection
      input: {tap: demo, input_type: mock}
      handlers: {modules: {packets: {type: net}, names: {type: dns, require_version: "2.0"}}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := m.Load(doc); err != nil {
		fmt.Println(err)
		return
	}
	for _, info := range m.Policy("everything").Parts[0].Attachment.Infos() {
		fmt.Println(info.Name)
	}
	// Output:
	// everything-demo-packets
	// everything-demo-names
}
