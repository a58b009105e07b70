package policy_test

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/handler/dns"
	"visor/handler/network"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// A policy is replaced without a gap. If the new one cannot start, the old one continues.
func TestReplace(t *testing.T) {
	m, in := manager(t)
	former, err := m.ReplacePolicy(counting("a"))
	require.NoError(t, err, "there is none yet")
	in.feeds[0].frames <- packets(10)
	in.feeds[0].frames <- nil
	next := counting("a")
	next.Modules = next.Modules[:1]
	r, err := m.ReplacePolicy(next)
	require.NoError(t, err)
	require.Same(t, r, m.Policy("a"))
	require.Len(t, in.feeds, 1, "the input goes on")
	in.feeds[0].frames <- packets(5)
	in.feeds[0].frames <- nil
	require.Equal(t, []uint64{10, 5}, []uint64{eventsOf(t, former), eventsOf(t, r)})

	next.Modules = []policy.Module{{Name: "flow", Type: "flow"}}
	_, err = m.ReplacePolicy(next)
	require.ErrorContains(t, err, "unsupported input event proxy")
	require.Same(t, r, m.Policy("a"))
	in.feeds[0].frames <- packets(5)
	in.feeds[0].frames <- nil
	require.Equal(t, uint64(10), eventsOf(t, r))
	require.Len(t, m.Policies(), 2)
}

// The Ended callback receives each policy that ends, and can query all of its counts. It is not
// called for policies that did not start.
func TestEnded(t *testing.T) {
	in := &inputs{}
	var ended []*policy.Running
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: in.open, Ended: func(r *policy.Running) { ended = append(ended, r) }})
	require.NoError(t, m.AddTap(policy.Tap{Name: "wired", InputType: "pcap"}))
	first := add(t, m, counting("a"))
	wrong := counting("b")
	wrong.Modules[1].Type = "flow"
	_, err := m.AddPolicy(wrong)
	require.Error(t, err)
	in.feeds[0].frames <- packets(10)
	in.feeds[0].frames <- nil
	second, err := m.ReplacePolicy(counting("a"))
	require.NoError(t, err)
	require.Equal(t, []*policy.Running{first}, ended)
	require.NoError(t, m.Close())
	require.Len(t, ended, 3, "the second, and what told of the input")
	require.Contains(t, ended, second)
	require.Equal(t, uint64(10), eventsOf(t, ended[0]))
}

// Two inputs with exclusive use of one socket cannot coexist.
func TestReplaceSocket(t *testing.T) {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	path := filepath.Join(t.TempDir(), "tap.sock")
	require.NoError(t, m.AddTap(policy.Tap{Name: "names", InputType: "dnstap", Config: policy.Options{"socket": path}}))
	p := policy.Policy{Name: "a", Input: policy.Input{Tap: "names", InputType: "dnstap"}, Modules: []policy.Module{{Name: "dns", Type: "dns"}}}
	former := add(t, m, p)
	p.Input.Filter = policy.Options{"only_hosts": []string{"192.0.2.0/24"}}
	r, err := m.ReplacePolicy(p)
	require.NoError(t, err)
	require.NotEqual(t, former.Parts[0].Input, r.Parts[0].Input)
	<-former.Parts[0].Ended()
	require.True(t, r.Parts[0].InputStatus().Running)
	require.Len(t, m.Policies(), 2)

	p.Input.Config = policy.Options{"tcp": "x"} // a socket is there too, and wins
	p.Modules[0].Type = "bgp"
	_, err = m.ReplacePolicy(p)
	require.Error(t, err)
	require.False(t, errors.Is(err, syscall.EADDRINUSE), "it failed before it came to that")
	require.Same(t, r, m.Policy("a"))
}

const reloaded = `
visor:
  taps:
    wired: {input_type: pcap, config: {iface: eth0}}
    other: {input_type: pcap, config: {iface: %s}}
  global_handler_config: {dns: {xact_ttl_ms: %d}}
  policies:
    net: {kind: collection, input: {tap: wired, input_type: pcap}, handlers: {modules: {net: {type: net}}}}
    dns: {kind: collection, input: {tap: wired, input_type: pcap}, handlers: {modules: {dns: {type: dns}}}}
    %s: {kind: collection, input: {tap: other, input_type: pcap}, handlers: {modules: {net: {type: net}}}}
`

// Only what has changed is touched.
func TestReload(t *testing.T) {
	in := &inputs{}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: in.open})
	defer m.Close()
	doc := func(iface string, ttl int, name string) *policy.Document {
		d, err := builtin.Catalog().Parse(fmt.Appendf(nil, reloaded, iface, ttl, name))
		require.NoError(t, err)
		return d
	}
	require.NoError(t, m.Load(doc("eth1", 1000, "first")))
	byHand := add(t, m, counting("by hand"))
	names := []string{"net", "dns", "first", "by hand"}
	now := func() (out []*policy.Running) {
		for _, name := range names {
			out = append(out, m.Policy(name))
		}
		return out
	}
	before := now()
	require.NoError(t, m.Reload(doc("eth1", 1000, "first")))
	require.Equal(t, before, now(), "nothing")

	require.NoError(t, m.Reload(doc("eth1", 2000, "first")))
	after := now()
	require.Same(t, before[0], after[0])
	require.NotSame(t, before[1], after[1], "a default of its handler")
	require.Same(t, before[2], after[2])
	require.Same(t, byHand, after[3])

	require.NoError(t, m.Reload(doc("eth2", 2000, "first")))
	last := now()
	require.NotSame(t, after[2], last[2], "its tap")
	require.Equal(t, after[:2], last[:2])

	require.NoError(t, m.Reload(doc("eth2", 2000, "second")))
	require.Nil(t, m.Policy("first"))
	require.NotNil(t, m.Policy("second"))
	require.Len(t, m.Policies(), 4+2)

	in.fail = errors.New("no such device")
	require.ErrorContains(t, m.Reload(doc("eth3", 3000, "second")), "no such device")
	require.NotSame(t, last[1], m.Policy("dns"), "the others get theirs")
	require.Equal(t, policy.Options{"iface": "eth2"}, m.Policy("second").Parts[0].InputStatus().Config, "it goes on as it was")
}

// A name that a document has twice is an error in a reload, as it is in a load.
func TestReloadTwice(t *testing.T) {
	in := &inputs{}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: in.open})
	defer m.Close()
	doc, err := builtin.Catalog().Parse(fmt.Appendf(nil, reloaded, "eth1", 1000, "first"))
	require.NoError(t, err)
	require.NoError(t, m.Load(doc))
	before := m.Policies()

	twice := *doc
	twice.Taps = append(slices.Clone(doc.Taps), policy.Tap{Name: "wired", InputType: "flow"})
	require.EqualError(t, m.Reload(&twice), "module name 'wired' already exists")
	twice = *doc
	twice.Global = append(slices.Clone(doc.Global), doc.Global[0])
	require.EqualError(t, m.Reload(&twice), "stream handler type 'dns' already exists in global_handler_config configuration")
	twice = *doc
	second := doc.Policies[0]
	second.Modules = nil
	twice.Policies = append(slices.Clone(doc.Policies), second)
	require.EqualError(t, m.Reload(&twice), "policy with name 'net' already defined")
	require.Equal(t, before, m.Policies())
}

// A policy may take the socket that another one leaves in the same reload, whatever their order.
func TestReloadSockets(t *testing.T) {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	dir := t.TempDir()
	parse := func(sockets map[string]string) *policy.Document {
		text := "visor:\n  taps:\n"
		for _, name := range slices.Sorted(maps.Keys(sockets)) {
			text += fmt.Sprintf("    %s: {input_type: dnstap, config: {socket: %s/%s}}\n", name, dir, sockets[name])
		}
		text += "  policies:\n"
		for _, name := range slices.Sorted(maps.Keys(sockets)) {
			text += fmt.Sprintf("    %s: {kind: collection, input: {tap: %s, input_type: dnstap}, handlers: {modules: {dns: {type: dns}}}}\n", name, name)
		}
		doc, err := builtin.Catalog().Parse([]byte(text))
		require.NoError(t, err)
		return doc
	}
	require.NoError(t, m.Load(parse(map[string]string{"m": "1", "n": "2"})))
	require.NoError(t, m.Reload(parse(map[string]string{"a": "1", "m": "2", "n": "3"})))
	for name, socket := range map[string]string{"a": "1", "m": "2", "n": "3"} {
		require.Equal(t, dir+"/"+socket, m.Policy(name).Parts[0].InputStatus().Config["socket"])
	}
	require.ErrorContains(t, m.Reload(parse(map[string]string{"a": "1", "b": "1", "m": "2", "n": "3"})), "policy [b] failed to start: dnstap: listen unix "+dir+"/1: address already in use")
}

// The policies of a tap share its socket. A reload that changes the tap replaces them together. One
// that cannot be replaced runs on as it was.
func TestReloadSharedSocket(t *testing.T) {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	socket := filepath.Join(t.TempDir(), "tap.sock")
	parse := func(mode, second string) *policy.Document {
		const text = `
visor:
  taps: {names: {input_type: dnstap, config: {socket: %s, socket_mode: %s}}}
  policies:
    a: {kind: collection, input: {tap: names, input_type: dnstap}, handlers: {modules: {dns: {type: dns}}}}
    b: {kind: collection, input: {tap: names, input_type: dnstap}, handlers: {modules: {dns: {%s}}}}
`
		doc, err := builtin.Catalog().Parse(fmt.Appendf(nil, text, socket, mode, second))
		require.NoError(t, err)
		return doc
	}
	mode := func(name string) any { return m.Policy(name).Parts[0].InputStatus().Config["socket_mode"] }
	require.NoError(t, m.Load(parse("'0600'", "type: dns")))
	former := m.Policy("a")
	require.NoError(t, m.Reload(parse("'0660'", "type: dns")))
	require.Equal(t, []any{uint64(660), uint64(660)}, []any{mode("a"), mode("b")})
	require.Len(t, m.Policies(), 3)
	require.True(t, former.Replaced(), "its totals continue")
	require.EqualError(t, former.Reason(), "it was replaced")

	running := m.Policies()
	p := m.Policy("a").Policy
	p.Input.Filter = policy.Options{"only_hosts": []string{"192.0.2.0/24"}}
	_, err := m.ReplacePolicy(p)
	require.ErrorContains(t, err, "address already in use")
	require.ErrorContains(t, err, "; the tap is in use with another configuration or filter by 'b'")
	require.Equal(t, running, m.Policies(), "nothing has ended for it")
	p.Name = "c"
	_, err = m.AddPolicy(p)
	require.ErrorContains(t, err, "; the tap is in use with another configuration or filter by 'a', 'b'")
	require.Equal(t, running, m.Policies())

	err = m.Reload(parse("'0666'", "type: dhcp")) // dnstap has no packets
	require.ErrorContains(t, err, "policy [b] failed to start")
	require.Len(t, m.Policies(), 3)
	for _, name := range []string{"a", "b"} {
		require.NotNil(t, m.Policy(name))
		require.True(t, m.Policy(name).Parts[0].InputStatus().Running)
	}
}

// A policy with a lease ends unless a client queries it.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, in := manager(t)
		p := counting("a")
		p.Lease = 10 * time.Second
		r := add(t, m, p)
		for range 5 {
			time.Sleep(9 * time.Second)
			r.Renew()
		}
		require.NotNil(t, m.Policy("a"))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.Nil(t, m.Policy("a"))
		require.Empty(t, m.Policies())
		require.Zero(t, in.openNow())
		r.Renew()

		add(t, m, p)
		stays := counting("a")
		_, err := m.ReplacePolicy(stays)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NotNil(t, m.Policy("a"), "the lease was that of the former one")
		require.NoError(t, m.Close())
	})
}

// The counts of equal handlers on several taps are merged. Packets count once per tap, and distinct
// ones once.
func TestMergeLikeHandlers(t *testing.T) {
	m, in := manager(t)
	require.NoError(t, m.AddTap(policy.Tap{Name: "second", InputType: "pcap", Tags: policy.Options{"virtual": true}}))
	p := counting("a")
	p.Input = policy.Input{Selector: &policy.Selector{Tags: []policy.Tag{{Key: "virtual", Value: true}}}, InputType: "pcap"}
	p.Modules = append(p.Modules, policy.Module{Name: "dns1", Type: "dns"}, policy.Module{Name: "pcap", Type: "pcap"})
	apart := add(t, m, p)
	p.Name, p.Merge = "b", true
	r := add(t, m, p)
	now := time.Now().UnixNano() // a frame of another time would count in the second of its arrival
	for _, f := range in.feeds {
		frames := packets(100)
		for i := range frames {
			frames[i].TimeNS = now
		}
		f.frames <- frames
		f.frames <- nil
	}
	one, err := apart.Bucket(0)
	require.NoError(t, err)
	require.Len(t, one.Modules, 8)
	sum, err := r.Bucket(0)
	require.NoError(t, err)
	var names []string
	for i := range sum.Modules {
		require.Empty(t, sum.Modules[i].Tap)
		names = append(names, sum.Modules[i].Name+" "+sum.Modules[i].Version)
	}
	require.Equal(t, []string{"packets_merged 1.0", "dns_merged 2.0", "dns_merged 1.0", "pcap_merged 1.0"}, names)
	require.Equal(t, uint64(200), network.From(sum).Total.Value())
	require.Equal(t, 2*dns.From(one).Total.Value(), dns.From(sum).Total.Value())
	require.Equal(t, dns.From(one).QName.Estimate(), dns.From(sum).QName.Estimate(), "both saw the same names")
	require.Equal(t, 2*network.From(one).RateEvents.Max(), network.From(sum).RateEvents.Max(), "in the same seconds")
	window, err := r.Window(2)
	require.NoError(t, err)
	require.Equal(t, 2, window.Window)
	require.Len(t, window.Modules, 4)
}

// A policy that cannot start does not prevent the others of its document from starting.
func TestLoadPartly(t *testing.T) {
	const text = `
visor:
  taps: {t: {input_type: mock}, broken: {input_type: mock, config: {except_on_start: true}}}
  policies:
    key:   {kind: collection, input: {tap: t, input_type: mock}, handlers: {modules: {net: {type: net, config: {x: 1}}}}}
    input: {kind: collection, input: {tap: broken, input_type: mock}, handlers: {modules: {net: {type: net}}}}
    tap:   {kind: collection, input: {tap: none, input_type: mock}, handlers: {modules: {net: {type: net}}}}
    good:  {kind: collection, input: {tap: t, input_type: mock}, handlers: {modules: {net: {type: net}}}}
`
	doc, err := builtin.Catalog().Parse([]byte(text))
	require.NoError(t, err)
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: builtin.Catalog().CheckInput})
	defer m.Close()
	for _, load := range []func(*policy.Document) error{m.Load, m.Reload} {
		var failed policy.StartErrors
		require.ErrorAs(t, load(doc), &failed)
		require.Len(t, failed, 3)
		require.ErrorContains(t, failed[0], "policy [key] failed to start: x is an invalid/unsupported config or filter")
		require.ErrorContains(t, failed[0], "(line 5, column ")
		require.EqualError(t, failed[1], "policy [input] failed to start: mock error on start")
		require.EqualError(t, failed[2], "policy [tap]: tap 'none' does not exist")
		require.NotNil(t, m.Policy("good"))
		require.Len(t, m.Policies(), 2, "good, and what its input costs")
	}
	mended, err := builtin.Catalog().Parse([]byte(strings.NewReplacer("except_on_start", "x", "tap: none", "tap: t", "config: {x: 1}", "filter: {}").Replace(text)))
	require.NoError(t, err)
	require.NoError(t, m.Reload(mended))
	require.NotNil(t, m.Policy("key"))
}
