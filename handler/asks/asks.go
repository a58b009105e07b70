package asks

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/geo"
	"visor/handler"
	"visor/sketch/hash64"
)

// Config configures a Handler. The zero Config counts all DNS messages. A message must pass all
// filters that are set.
type Config struct {
	handler.Settings

	OnlyQNames   []string      `policy:"only_qname" help:"passes messages whose first QNAME is one of these, in any case"`
	OnlySuffixes []string      `policy:"only_qname_suffix" help:"passes messages whose first QNAME is one of these or below one"`
	OnlyClients  decode.NetSet `policy:"only_clients" type:"list of texts" help:"passes messages whose client is in one of these networks"`
	OnlyASNs     []string      `policy:"only_asn_number" help:"passes messages whose client is in an autonomous system with one of these numbers"`

	Geo *geo.DB // for OnlyASNs; the caller keeps ownership

	// Details is the number of clients and names with separate counts; 0 means 256.
	Details int

	timeless bool // leaves out the times of the first and the last message
}

// Handler counts which clients ask for which names. It is immutable and safe for concurrent use.
type Handler struct {
	handler.Declared[Metrics]
	cfg             Config
	names, suffixes []dnsmsg.Name // OnlyQNames and OnlySuffixes
	systems         []uint32      // OnlyASNs
}

var _ handler.Handler = (*Handler)(nil)

// ErrNoASN is the error of Config.OnlyASNs without a database of autonomous systems.
var ErrNoASN = errors.New("asks: OnlyASNs needs a database of autonomous systems")

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	d, err := handler.Declare[Metrics](handler.Spec{Type: "asks", Forwards: true}, cfg.Settings)
	names, err := parseNames(err, "OnlyQNames", cfg.OnlyQNames)
	suffixes, err := parseNames(err, "OnlySuffixes", cfg.OnlySuffixes)
	if len(cfg.OnlyASNs) > 0 && (cfg.Geo == nil || !cfg.Geo.HasASN()) {
		err = errors.Join(err, ErrNoASN)
	}
	var systems []uint32
	for _, text := range cfg.OnlyASNs {
		number, bad := strconv.ParseUint(text, 10, 32)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("asks: OnlyASNs: %q is not a number", text))
		}
		systems = append(systems, uint32(number))
	}
	if err != nil {
		return nil, err
	}
	cfg.Details = cmp.Or(cfg.Details, defaultDetails)
	d.Bound(func(m *Metrics) { m.bound(cfg.Details) })
	return &Handler{d, cfg, names, suffixes, systems}, nil
}

// parseNames returns the names of an option. It adds their problems to err.
func parseNames(err error, option string, texts []string) (out []dnsmsg.Name, _ error) {
	for _, text := range texts {
		name, bad := dnsmsg.ParseName(text)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("asks: %s: %q: %w", option, text, bad))
		}
		out = append(out, name)
	}
	return out, err
}

// From returns the metrics of the first Handler in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// NewShard returns the part of h for one worker.
func (h *Handler) NewShard() handler.Shard {
	s := &shard{Base: h.NewBase(), of: h, single: h.Info().Periods == 1}
	s.clients, s.names = newCache[netip.Addr](h.cfg.Details), newCache[string](h.cfg.Details)
	if h.cfg.Geo != nil {
		s.geo = h.cfg.Geo.NewCache()
	}
	return s
}

type shard struct {
	handler.Base[Metrics]
	of     *Handler
	geo    *geo.Cache         // nil without databases
	text   []byte             // scratch
	key    []byte             // scratch
	single bool               // all time is one period
	tapped dnstapmsg.Families // dnstap has queries of these, not only responses

	clients cache[netip.Addr]
	names   cache[string]
}

// Keyed passes the hasher of keys to the geo cache.
func (s *shard) Keyed(h *hash64.Hasher) {
	if s.geo != nil {
		s.geo.Keyed(h)
	}
}

// Shift closes the live period.
func (s *shard) Shift(startNS int64) {
	s.Base.Shift(startNS)
	if !s.single {
		s.clients.shift()
		s.names.shift()
	}
}

// Process counts the batch's DNS messages.
func (s *shard) Process(b *handler.Batch) {
	for i := range b.DNS {
		m := &b.DNS[i]
		s.Enter(m.TimeNS)
		s.Events.Offered++
		if m.DNSTap != nil && !m.Response() {
			s.tapped.Add(m.DNSTapType)
		}
		switch {
		case m.Broken:
			s.Events.Undecodable++
		case !s.match(m):
			s.Events.Filtered++
		default:
			if s.Forward != nil {
				s.Forward.AddDNS(m)
			}
			s.count(m)
		}
	}
}

// client returns the address of the end that asks. It is invalid if dnstap does not have it.
func client(m *handler.Message) netip.Addr {
	addr, _ := m.Ends()
	return addr.Unmap()
}

// match reports whether m passes the filters.
func (s *shard) match(m *handler.Message) bool {
	c := &s.of.cfg
	return (c.OnlyClients.Empty() || c.OnlyClients.Contains(client(m))) && s.matchName(m) && s.matchASN(m)
}

func (s *shard) matchName(m *handler.Message) bool {
	if len(s.of.names)+len(s.of.suffixes) == 0 {
		return true
	}
	if !m.Named {
		return false
	}
	is := func(name dnsmsg.Name) bool { return string(m.Name.Key()) == string(name.Key()) }
	return slices.ContainsFunc(s.of.names, is) || slices.ContainsFunc(s.of.suffixes, m.Name.Under)
}

func (s *shard) matchASN(m *handler.Message) bool {
	if len(s.of.systems) == 0 {
		return true
	}
	if s.geo == nil {
		return false
	}
	as := s.geo.ASN(client(m))
	return as != nil && slices.Contains(s.of.systems, as.Number)
}

// count counts a message that passed the filters.
func (s *shard) count(m *handler.Message) {
	b, unix := s.Live, s.Events.Unix()
	if s.of.cfg.timeless {
		unix = 0
	}
	reply := m.Response()
	// a reply without queries of its type stands for its query
	asked := !reply || m.DNSTap != nil && !s.tapped.Has(m.DNSTapType)
	if reply {
		b.Replies.Add(1)
	}
	if asked {
		b.Queries.Add(1)
	}
	if !s.Sampler.Deep() {
		return
	}
	s.Events.Deep++
	s.countClient(m, asked, unix)
	if reply && m.Msg != nil {
		b.TopRCodes.Add(m.Msg.RCode(), 1)
	}
	if !m.Named {
		return
	}
	if asked {
		b.TopQTypes.Add(m.Type, 1)
	}
	s.countName(m, asked, unix)
}

func (s *shard) countClient(m *handler.Message, asked bool, unix int64) {
	addr := client(m)
	hash := s.sumClient(addr)
	s.Live.Clients.Add(hash)
	if s.Shown != nil {
		addr = s.Shown.Addr(addr)
		hash = s.sumClient(addr)
	}
	if asked {
		s.Live.TopClients.Add(hash, s.text, 1)
	}
	e := s.clients.entries[addr]
	if e == nil {
		e = s.clients.add(addr, string(s.text))
	}
	if e.period != s.clients.period {
		e.period, e.subject = s.clients.period, &open(&s.Live.ByClient, e.name, s.of.cfg.Details).Subject
	}
	e.subject.add(m, asked, unix)
}

// sumClient sets text to the text of a client, and returns its hash.
func (s *shard) sumClient(addr netip.Addr) uint64 {
	s.text = append(s.text[:0], "unknown"...)
	if addr.IsValid() {
		s.text = addr.AppendTo(s.text[:0])
	}
	return s.Hash.Sum(s.text)
}

func (s *shard) countName(m *handler.Message, asked bool, unix int64) {
	s.text = m.Name.AppendText(s.text[:0])
	hash := s.Hash.Sum(s.text)
	s.Live.Names.Add(hash)
	if key, changed := s.Shown.AppendName(s.key[:0], m.Name.Key()); changed {
		s.key = key
		s.text = dnsmsg.NameFromKey(key).AppendText(s.text[:0])
		hash = s.Hash.Sum(s.text)
	}
	if asked {
		s.Live.TopQNames.Add(hash, s.text, 1)
	}
	e := s.names.entries[string(s.text)]
	if e == nil {
		name := string(s.text)
		e = s.names.add(name, name)
	}
	if e.period != s.names.period {
		e.period, e.subject = s.names.period, &open(&s.Live.ByQName, e.name, s.of.cfg.Details).Subject
	}
	e.subject.add(m, asked, unix)
}
