package findings_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/findings"
	"visor/handler"
	"visor/internal/packettest"
	"visor/internal/racetest"
)

// kinds returns the kinds of findings.
func kinds(found []findings.Finding) (out []findings.Kind) {
	for _, f := range found {
		out = append(out, f.Kind)
	}
	return out
}

// labels returns an attack with n queries per minute for random labels.
func labels(n, clients int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			m.ask(m.at(), client(1<<20+i%clients), fmt.Sprintf("%08x.victim.com", m.rnd.Uint32()), 1, 0, 3, 0, 5e6)
		}
	}
}

func TestOrdinary(t *testing.T) {
	racetest.SkipLong(t)
	minutes, all := 40, []mix{resolver, authoritative, office}
	if testing.Short() {
		minutes, all = 20, all[:1]
	}
	for _, m := range all {
		s := scenario{mix: m, seed: 1, minutes: minutes, qps: 20}
		require.Empty(t, s.find(t, findings.Config{}), m)
	}
}

func TestRandomLabels(t *testing.T) {
	s := scenario{mix: resolver, seed: 2, minutes: 30, qps: 20, begin: 15, attack: labels(600, 1000)}
	periods := s.periods(t)
	found, err := findings.Find(findings.Config{}, periods...)
	require.NoError(t, err)
	require.Contains(t, kinds(found), findings.RandomLabels)
	f := found[0]
	require.Equal(t, findings.Attack, f.Severity)
	require.Equal(t, "victim.com", f.Subject)
	require.Equal(t, 15, minuteOf(f.Since))
	require.NotEmpty(t, f.Evidence.Examples)
	require.Contains(t, f.Text, "victim.com")

	for _, name := range []string{"Victim.com.", `v\105ctim.com`} {
		allowed, err := findings.Find(findings.Config{AllowNames: []string{name}}, periods...)
		require.NoError(t, err)
		require.NotContains(t, kinds(allowed), findings.RandomLabels)
	}
}

func TestSpike(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	double := func(m *minute) {
		if m.n >= 20 && m.n < 30 {
			m.queries *= 2
		}
	}
	s := scenario{mix: resolver, seed: 3, minutes: 40, qps: 20, change: double}
	found := s.find(t, findings.Config{})
	require.Contains(t, kinds(found), findings.Spike)
	for _, f := range found {
		require.Equal(t, findings.Spike, f.Kind)
		require.Equal(t, 20, minuteOf(f.Since))
		require.True(t, f.Resolved)
		require.Equal(t, 30, minuteOf(f.Until))
		require.InDelta(t, 2, f.Figures[0].Value / *f.Figures[0].Usual, 0.2)
		for _, part := range slices.Concat(f.Evidence.Clients, f.Evidence.Subnets) {
			require.Positive(t, part.Share, "of the growth: %+v", part)
		}
	}
}

// A restart has no baseline: nothing is a spike, and nothing has vanished.
func TestWarmup(t *testing.T) {
	s := scenario{mix: resolver, seed: 4, minutes: 10, qps: 20, change: func(m *minute) { m.queries *= 1 + m.n }}
	require.Empty(t, s.find(t, findings.Config{}))
}

// One fired and one resolved change per episode, with the same key.
func TestEpisode(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	w, err := findings.NewWatcher(findings.Config{})
	require.NoError(t, err)
	attack := labels(600, 1000)
	s := scenario{mix: resolver, seed: 5, minutes: 40, qps: 20, attack: func(m *minute) {
		if m.n%20 >= 10 && m.n%20 < 13 {
			attack(m)
		}
	}}
	var changes []findings.Finding
	s.run(t, func(p *handler.Snapshot) {
		changes = append(changes, w.Add(p)...)
	})
	require.Len(t, changes, 4)
	for i := range changes {
		require.Equal(t, i%2 == 1, changes[i].Resolved)
		require.Equal(t, changes[i&^1].Key, changes[i].Key)
		require.Equal(t, 2*time.Minute, changes[i|1].Until.Sub(changes[i].Since).Truncate(time.Minute)-time.Minute)
	}
	require.NotEqual(t, changes[0].Key, changes[2].Key)
	require.Empty(t, w.Active())
}

func TestConfig(t *testing.T) {
	for _, cfg := range []findings.Config{{Warmup: -1}, {Spike: -1}, {AllowClients: []string{"x"}}} {
		_, err := findings.NewWatcher(cfg)
		require.Error(t, err)
	}
	_, err := findings.NewWatcher(findings.Config{Resolve: -1, AllowNames: []string{"example.com.", "*.example.com", "a..b", "", "münchen.de"}})
	require.ErrorContains(t, err, "resolve_periods must not be negative but is -1\n")
	for _, name := range []string{`"*.example.com"`, `"a..b"`, `""`} {
		require.ErrorContains(t, err, "allow_names: "+name+" is not a domain")
	}
	require.ErrorContains(t, err, `allow_names: "münchen.de": write names of other alphabets as in DNS: xn--`)
	require.NotContains(t, err.Error(), `"example.com."`)
}

// tunnel returns n queries per minute whose names carry data.
func tunnel(n, clients int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			data := fmt.Sprintf("%016x%016x", m.rnd.Uint64(), m.rnd.Uint64())
			m.ask(m.at(), client(1<<21+i%clients), data[:30]+"."+data+".t.tunnel.org", 16, 0, 0, 3, 5e6)
		}
	}
}

// amplify returns n queries per minute with large replies.
func amplify(n, victims int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			m.ask(m.at(), client(1<<22+i%victims), "big.example.org", 255, 0, 0, 40, 5e6)
		}
	}
}

// scan returns n attempts per minute to connect to different ports.
func scan(n, hosts int) func(*minute) {
	return func(m *minute) {
		for i := range n {
			from, to := fmt.Sprintf("%s:40000", client(1<<23+5*(i%hosts))), fmt.Sprintf("192.0.2.9:%d", 1+m.rnd.IntN(10000))
			at := m.at()
			m.frames = append(m.frames, packettest.TCP(at, from, to, 2, 1, 0, nil), packettest.TCP(at+1e6, to, from, 0x14, 0, 2, nil))
		}
	}
}

func TestTunnel(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short generates one attack, of random labels")
	}
	s := scenario{mix: resolver, seed: 6, minutes: 20, qps: 20, begin: 15, attack: tunnel(120, 1)}
	found := s.find(t, findings.Config{})
	require.Equal(t, []findings.Kind{findings.Tunnel}, kinds(found))
	require.Equal(t, "tunnel.org", found[0].Subject)
	require.NotEmpty(t, found[0].Evidence.Examples)
}

func TestReflection(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	s := scenario{mix: resolver, seed: 7, minutes: 20, qps: 20, begin: 15, attack: amplify(400, 3)}
	require.Contains(t, kinds(s.find(t, findings.Config{})), findings.Reflection)
}

func TestScan(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short generates one attack, of random labels")
	}
	s := scenario{mix: office, seed: 8, minutes: 20, qps: 20, begin: 15, attack: scan(600, 1)}
	found := s.find(t, findings.Config{})
	require.Contains(t, kinds(found), findings.Scan)
	for _, f := range found {
		if f.Kind == findings.Scan { // the other side resets each attempt
			require.Equal(t, "between 10.128.0.0/24 and 192.0.2.0/24", f.Subject)
		}
	}
	s.attack = scan2(600, 1)
	periods := s.periods(t)
	for client, subjects := range map[string][]string{"": {"10.128.0.0/24"}, "10.128.0.0/28": {"10.128.0.0/24"}, "10.128.0.0/16": nil} {
		var cfg findings.Config
		if client != "" {
			cfg.AllowClients = []string{client}
		}
		found, err := findings.Find(cfg, periods...)
		require.NoError(t, err)
		var got []string
		for _, f := range found {
			if f.Kind == findings.Scan {
				got = append(got, f.Subject)
			}
		}
		require.Equal(t, subjects, got, "exception for %q", client)
	}
}

// Before there is a baseline, a scan from one port is found, and refused connections to one server
// are none.
func TestScanAtOnce(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short generates one attack, of random labels")
	}
	refused := func(m *minute) {
		for range 600 {
			from, at := fmt.Sprintf("%s:%d", client(m.rnd.IntN(200)*5), 32768+m.rnd.IntN(28000)), m.at()
			m.frames = append(m.frames, packettest.TCP(at, from, "192.0.2.9:8443", 2, 1, 0, nil), packettest.TCP(at+1e6, "192.0.2.9:8443", from, 0x14, 0, 2, nil))
		}
	}
	for version2, subject := range map[bool]string{false: "between 10.128.0.0/24 and 192.0.2.0/24", true: "10.128.0.0 (in)"} {
		s := scenario{mix: resolver, seed: 8, minutes: 3, qps: 5, attack: scan(600, 1), version2: version2}
		found := s.of(t, findings.Scan)
		require.Len(t, found, 1)
		require.Equal(t, 0, minuteOf(found[0].Since))
		require.Equal(t, subject, found[0].Subject)
		s.attack = refused
		require.Empty(t, s.of(t, findings.Scan))
	}
}

// One of three servers fails, gets slow or does not reply.
func TestTrouble(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for text, reply := range map[string]func() (int, time.Duration){
		"Server 192.0.2.53 fails":   func() (int, time.Duration) { return 2, 0 },
		"SERVFAIL or no reply":      func() (int, time.Duration) { return -1, 0 },
		"Server 192.0.2.53 is slow": func() (int, time.Duration) { return 0, 300 * time.Millisecond },
	} {
		s := scenario{mix: resolver, seed: 9, minutes: 22, qps: 20, change: func(m *minute) {
			if m.n >= 15 {
				m.reply = func(_ string, server int) (int, time.Duration) {
					if server == 0 {
						return reply()
					}
					return 0, 0
				}
			}
		}}
		found := s.find(t, findings.Config{})
		require.NotEmpty(t, found)
		for _, f := range found {
			require.Equal(t, findings.Trouble, f.Kind, "%+v", f)
			require.Equal(t, 15, minuteOf(f.Since))
			require.Contains(t, []string{"192.0.2.53", "2001:db8:53::53"}, f.Subject)
		}
		require.Contains(t, found[0].Text, text)
	}
}

// A clock that was set back is one finding, though all modules of the policy show it.
func TestClock(t *testing.T) {
	for _, version2 := range []bool{false, true} {
		s := scenario{mix: office, seed: 9, minutes: 3, qps: 5, version2: version2}
		periods := s.periods(t)
		found, err := findings.Find(findings.Config{}, append(periods, periods[1])...)
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, "clock", found[0].Subject)
		require.InDelta(t, 120, found[0].Figures[0].Value, 2)
	}
}

// A server that is not asked any more, and a client subnet that does not ask, are reported.
func TestVanishedHosts(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for subject, change := range map[string]func(*minute){
		"192.0.2.55":  func(m *minute) { m.servers = 2 },
		"10.0.0.0/24": func(m *minute) { m.skip = func(_, client string) bool { return strings.HasPrefix(client, "10.0.0.") } },
	} {
		s := scenario{mix: resolver, seed: 11, minutes: 28, qps: 20, change: func(m *minute) {
			if m.n >= 24 {
				change(m)
			}
		}}
		var subjects []string
		for _, f := range s.find(t, findings.Config{}) {
			require.Equal(t, findings.Vanished, f.Kind, "%+v", f)
			require.Equal(t, 24, minuteOf(f.Since))
			subjects = append(subjects, f.Subject)
		}
		require.Contains(t, subjects, subject)
		require.LessOrEqual(t, len(subjects), 2, "%v", subjects)
	}
}

// A domain that had traffic for long and has none is reported. If all traffic ends, that is all.
func TestVanished(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	s := scenario{mix: authoritative, seed: 10, minutes: 28, qps: 20, change: func(m *minute) {
		if m.n >= 24 {
			m.skip = func(name, _ string) bool { return strings.HasSuffix(name, "zone1.net") }
		}
	}}
	found := s.find(t, findings.Config{})
	require.Equal(t, []findings.Kind{findings.Vanished}, kinds(found), "%+v", found)
	require.Equal(t, "zone1.net", found[0].Subject)

	s.change = func(m *minute) {
		if m.n >= 24 {
			m.queries = 1
		}
	}
	found = s.find(t, findings.Config{})
	require.Equal(t, []findings.Kind{findings.Vanished, findings.Vanished}, kinds(found), "%+v", found)
	require.Equal(t, []string{"DNS queries", "packets"}, []string{found[0].Subject, found[1].Subject})
}

// Half of the growth of a spike is one domain. Version 1.0 counts its queries and replies.
func TestSpikeCause(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for _, in := range inputs {
		s := scenario{mix: resolver, seed: 3, minutes: 20, qps: 20, version2: in.version2, dnstap: in.dnstap, change: func(m *minute) {
			if m.n >= 15 {
				m.queries = m.queries * 3 / 2
				volume(700, 100)(m)
			}
		}}
		found := slices.DeleteFunc(s.of(t, findings.Spike), func(f findings.Finding) bool { return f.Module != "dns" })
		require.Len(t, found, 1, in.name)
		shares := make(map[string]float64)
		for _, l := range found[0].Evidence.Lists {
			for _, item := range l.Items {
				shares[item.Name] += item.Share
			}
		}
		require.InDelta(t, 0.54, shares[".zone3.de"], 0.08, in.name)
		require.Regexp(t, `; .* of the growth is .*zone3\.de`, found[0].Text)
		require.NotContains(t, found[0].Text, "100 %")
	}
}

// A spike without ports has its protocol or its type of ICMP as a cause, also where lists of
// addresses see a part of the packets.
func TestSpikeOfProtocol(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for protocol, cause := range map[byte]string{1: "ICMP 8 echo request", 47: "protocol GRE"} {
		flood := func(m *minute) {
			for i := range 6000 {
				f := packettest.UDP(m.at(), client(5*i+1)+":9", "192.0.2.1:9", []byte("0123456789"))
				const proto, payload = 23, 34
				f.Data[proto], f.Data[payload] = protocol, 8
				m.frames = append(m.frames, f)
			}
		}
		for _, version2 := range []bool{false, true} {
			for _, sample := range []int{0, 10} {
				s := scenario{mix: resolver, seed: 5, minutes: 17, qps: 20, begin: 14, attack: flood, version2: version2, sample: sample}
				found := slices.DeleteFunc(s.of(t, findings.Spike), func(f findings.Finding) bool { return f.Module != "net" })
				require.NotEmpty(t, found)
				require.Regexp(t, `(;|,) (9[0-9]|100) % (of the growth )?is `+cause, found[0].Text)
				for _, l := range found[0].Evidence.Lists {
					if strings.HasSuffix(l.Name, "top_protocol") {
						require.Equal(t, strings.Fields(strings.TrimPrefix(cause, "protocol "))[0], l.Items[0].Name)
						require.InDelta(t, 6000, l.Items[0].Count, 60, "the list counts all packets")
					}
				}
			}
		}
	}
}

// Lists may see a part of the events. Attacks are found, with their whole rates.
func TestSampled(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	for kind, attack := range map[findings.Kind]func(*minute){
		findings.RandomLabels: labels(1800, 100), findings.Reflection: amplify(1800, 2), findings.Enumerator: generate(1800, 1),
	} {
		for _, version2 := range []bool{false, true} {
			s := scenario{mix: resolver, seed: 4, minutes: 16, qps: 30, begin: 14, attack: attack, version2: version2, sample: 10}
			found := s.of(t, kind)
			require.Len(t, found, 1, kind)
			require.Equal(t, 14, minuteOf(found[0].Since))
			for _, f := range found[0].Figures {
				if f.Unit == "per second" {
					require.InDelta(t, 30, f.Value, 9, "%s of %s", f.Name, kind)
				}
			}
		}
	}
}

// Each finding has the top lists of its period, once each.
func TestEvidenceLists(t *testing.T) {
	racetest.SkipLong(t)
	if testing.Short() {
		t.Skip("skipped: -short leaves out hours of generated traffic")
	}
	attack := scenario{mix: resolver, seed: 2, minutes: 18, qps: 20, begin: 15, attack: labels(600, 1000)}
	spike := scenario{mix: resolver, seed: 3, minutes: 22, qps: 20, change: func(m *minute) {
		if m.n >= 20 {
			m.queries *= 2
		}
	}}
	attack2, spike2 := attack, spike
	attack2.version2, spike2.version2 = true, true
	for _, s := range []scenario{attack, spike, attack2, spike2} {
		found := s.find(t, findings.Config{})
		require.NotEmpty(t, found)
		for _, f := range found {
			seen := make(map[string]int)
			for _, l := range f.Evidence.Lists {
				require.NotEmpty(t, l.Items)
				require.LessOrEqual(t, len(l.Items), 10)
				seen[l.Name]++
			}
			lists := []string{"top_qname2", "top_qtype", "top_rcode", "top_clients.queries", "names_by_domain"}
			if s.version2 {
				lists = []string{"in.top_qname2_xacts", "in.top_qtype_xacts", "in.top_rcode_xacts", "top_clients.queries", "in.names_by_domain_xacts"}
			}
			if f.Module == "net" { // top_ipv4 needs a direction
				lists = []string{"top_ipv4_subnet", "top_src_port", "top_dst_port"}
			}
			if f.Module == "net" && s.version2 {
				_, direction, _ := strings.Cut(strings.TrimSuffix(f.Subject, ")"), " (")
				lists = []string{direction + ".top_ipv4_subnet", direction + ".top_src_port", direction + ".top_dst_port", direction + ".top_ipv4_packets"}
			}
			for _, name := range lists {
				require.Equal(t, 1, seen[name], "%s of %s: %v %s", name, f.Kind, seen, f.Module)
			}
		}
	}
}
