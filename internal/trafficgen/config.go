package trafficgen

import "time"

// DefaultPackets is the number of frames of the zero Config.
const DefaultPackets = 100_000

const (
	defaultPPS     = 50_000
	defaultNames   = 100_000
	namesPerPacket = 50
	defaultClients = 20_000
	defaultLabels  = 1 << 22
	defaultVictim  = "victim.example"
	maxTable       = 1 << 24 // names or clients: clients are numbered with 24 bits
)

// Config describes the traffic. The zero Config is ready to use: [DefaultPackets] frames of the mix
// of [Mixed].
type Config struct {
	Seed uint64 // the same seed produces the same bytes
	// frames to generate; 0 means DefaultPackets, negative means no end (then use Gen or Source)
	Packets int
	Start   time.Time // time at which the traffic begins; zero means 2026-01-01 00:00 UTC
	// frames per second on average; 0 or less means 50,000. Conversations begin at exponential gaps
	PPS float64
	// queried names, by Zipf's law with exponent 1; 0 means 100,000, or 50 per frame if these are
	// fewer: a name takes longer to make than a frame
	Names int
	// client addresses, by Zipf's law with exponent 1, 4 of 5 of them IPv4; 0 means 20,000
	Clients int
	Mix     Mix   // zero means the mix of Mixed
	Flood   Flood // zero means no attack
}

// Mix assigns each kind of traffic its share of all frames, on average. Shares are weights and may
// have any sum. Negative shares are 0.
type Mix struct {
	DNS        int // DNS over UDP: queries and most of their responses
	DNSTCP     int // DNS over TCP: whole connections, with retransmitted and swapped segments
	Fragmented int // DNS over UDP whose response comes in IP fragments
	TCP        int // other TCP: HTTP, TLS and SSH connections, whole
	UDP        int // other UDP: QUIC-like and NTP
	ICMP       int // echo, unreachable, neighbour discovery
	ARP        int

	VLAN int // percent of conversations in tagged frames; not a share
}

// Flood adds attacks to the DNS over UDP. The percentages are relative to its transactions.
type Flood struct {
	// percent of queries for names that do not exist, below many zones, from many clients
	NXDomain int
	// percent of queries for random labels below Victim, which mostly fails to answer
	RandomLabel int
	// the zone under attack; "" means victim.example. It is converted to lower case
	Victim string
	// distinct random labels of each attack before they repeat; 0 means 4,194,304
	Labels int
}

// VariedDNS returns a Config of n frames of DNS over UDP, like the link of a busy resolver.
func VariedDNS(n int) Config { return Config{Packets: n, Mix: Mix{DNS: 100}} }

// Mixed returns a Config of n frames of all kinds: the default of the zero Mix.
func Mixed(n int) Config { return Config{Packets: n, Mix: mixed()} }

// NXDomainFlood returns VariedDNS in which percent of all transactions are part of a flood of names
// that do not exist.
func NXDomainFlood(n, percent int) Config {
	cfg := VariedDNS(n)
	cfg.Flood.NXDomain = percent
	return cfg
}

// RandomLabelAttack returns VariedDNS in which percent of all transactions ask for random labels
// below one victim's zone.
func RandomLabelAttack(n, percent int) Config {
	cfg := VariedDNS(n)
	cfg.Flood.RandomLabel = percent
	return cfg
}

func mixed() Mix {
	return Mix{DNS: 35, DNSTCP: 10, Fragmented: 2, TCP: 35, UDP: 12, ICMP: 4, ARP: 2, VLAN: 15}
}

func (c Config) withDefaults() Config {
	if c.Packets == 0 {
		c.Packets = DefaultPackets
	}
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if !(c.PPS > 0) {
		c.PPS = defaultPPS
	}
	c.PPS = min(max(c.PPS, 1e-3), 1e9)
	names := defaultNames
	if c.Packets > 0 {
		names = min(names, max(namesPerPacket*c.Packets, popular))
	}
	c.Names = sized(c.Names, names)
	c.Clients = sized(c.Clients, defaultClients)
	c.Mix = c.Mix.withDefaults()
	c.Flood.NXDomain = min(max(c.Flood.NXDomain, 0), 100)
	c.Flood.RandomLabel = min(max(c.Flood.RandomLabel, 0), 100-c.Flood.NXDomain)
	c.Flood.Labels = sized(c.Flood.Labels, defaultLabels)
	if c.Flood.Victim == "" {
		c.Flood.Victim = defaultVictim
	}
	return c
}

func sized(n, byDefault int) int {
	if n <= 0 {
		return byDefault
	}
	return min(n, maxTable)
}

func (m Mix) withDefaults() Mix {
	vlan := m.VLAN
	for _, p := range m.shares() {
		*p.share = min(max(*p.share, 0), 1<<20)
	}
	m.VLAN = 0
	if m == (Mix{}) {
		m = mixed()
		if vlan == 0 {
			vlan = m.VLAN
		}
	}
	m.VLAN = min(max(vlan, 0), 100)
	return m
}

// share links a kind of conversation to its share and its average number of frames.
type share struct {
	kind   kind
	share  *int
	frames uint64 // in hundredths
}

// shares lists the kinds. The average numbers of frames were counted; a test checks them within 10
// %.
func (m *Mix) shares() [7]share {
	return [7]share{
		{kindDNS, &m.DNS, 198},
		{kindDNSTCP, &m.DNSTCP, 1930},
		{kindFragmented, &m.Fragmented, 331},
		{kindTCP, &m.TCP, 2600},
		{kindUDP, &m.UDP, 755},
		{kindICMP, &m.ICMP, 180},
		{kindARP, &m.ARP, 200},
	}
}
