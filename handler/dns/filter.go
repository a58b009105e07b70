package dns

import (
	"bytes"
	"slices"
	"strings"

	"visor/decode/dnsmsg"
	"visor/geo"
	"visor/handler"
)

// filter selects the messages that are counted.
type filter struct {
	cfg      *Config
	none     bool     // no filter is configured
	names    []string // OnlyQNames and OnlySuffixes as dnsmsg writes names
	suffixes []string
	text     []byte // scratch
}

type verdict uint8

const (
	pass verdict = iota
	drop         // counted as filtered
	skip         // not counted at all
)

// judgement is a verdict and the length of the suffix at which the name is cut.
type judgement struct {
	verdict verdict
	suffix  int
}

func newFilter(cfg *Config) filter {
	f := filter{cfg: cfg, names: each(cfg.OnlyQNames, wholeName), suffixes: each(cfg.OnlySuffixes, endOfName)}
	f.none = len(cfg.OnlyRCodes) == 0 && !cfg.ExcludeNoError && cfg.AnswerCount == nil &&
		!cfg.OnlyQueries && !cfg.OnlyReplies && !cfg.OnlySignedReplies && len(cfg.OnlyQTypes) == 0 &&
		len(f.names) == 0 && len(f.suffixes) == 0 && !cfg.GeoNotFound && !cfg.ASNNotFound
	return f
}

func each(texts []string, as func(string) string) (out []string) {
	for _, text := range texts {
		out = append(out, as(text))
	}
	return out
}

// wholeName returns the text of a name as dnsmsg writes it.
func wholeName(text string) string {
	name, err := dnsmsg.ParseName(text)
	if err != nil {
		return strings.ToLower(text) // no message has it
	}
	return name.String()
}

// endOfName is wholeName for the end of a name, which need not begin at a label.
func endOfName(text string) string {
	text = strings.ToLower(text)
	if strings.HasSuffix(text, `\.`) {
		return text
	}
	return strings.TrimSuffix(text, ".")
}

// judge applies the filters in pktvisor's order, cheap ones first. Without filters, messages from
// packets need no call of it.
func (f *filter) judge(places *geo.Cache, m *handler.Message) judgement {
	switch {
	case m.DNSTapType != 0:
		return f.judgeDNSTap(m)
	case m.Broken:
		return judgement{}
	case !m.TCP && !f.predicate(m):
		return judgement{verdict: skip}
	case !f.matchHeader(m.Msg) || !f.matchType(m) || !f.matchName(m) || !f.matchSubnet(places, m):
		return judgement{verdict: drop}
	}
	suffix, ok := f.suffix(m)
	if !ok {
		return judgement{verdict: drop}
	}
	return judgement{suffix: suffix}
}

// matchTransaction applies the filters of version 2.0. Filters of results apply to replies, and
// filters of names and clients to queries.
func (f *filter) matchTransaction(places *geo.Cache, m *handler.Message) bool {
	switch {
	case m.DNSTapType != 0:
		return f.judgeDNSTap(m).verdict == pass
	case f.none || m.Broken:
		return true
	case m.Msg.Response():
		return f.matchHeader(m.Msg) && f.matchType(m)
	}
	_, ok := f.suffix(m)
	return ok && f.matchSubnet(places, m) && f.matchName(m)
}

// matchQuestion applies the filters of the question, which both halves of a transaction have, to a
// message of either. dnstap messages pass.
func (f *filter) matchQuestion(m *handler.Message) bool {
	if m.DNSTapType != 0 {
		return true
	}
	_, ok := f.suffix(m)
	return ok && f.matchType(m) && f.matchName(m)
}

// suffix returns the length of the first suffix in the list that the name ends with. It returns 0
// without a list.
func (f *filter) suffix(m *handler.Message) (length int, ok bool) {
	if len(f.suffixes) == 0 {
		return 0, true
	}
	f.text = m.Name.AppendText(f.text[:0])
	i := slices.IndexFunc(f.suffixes, func(suffix string) bool { return bytes.HasSuffix(f.text, []byte(suffix)) })
	if i < 0 || !m.Named {
		return 0, false
	}
	return len(f.suffixes[i]), true
}

// judgeDNSTap applies the one filter for dnstap messages. As in pktvisor, the other filters apply
// to packets only.
func (f *filter) judgeDNSTap(m *handler.Message) judgement {
	if f.cfg.OnlyDNSTap != 0 && m.DNSTapType.Family() != f.cfg.OnlyDNSTap.Family() {
		return judgement{verdict: drop}
	}
	return judgement{}
}

// predicate reports whether a datagram is an event at all. As in pktvisor, whose tests require it,
// rejected datagrams appear neither in events nor in filtered. Unlike pktvisor, the Account counts
// them as filtered.
func (f *filter) predicate(m *handler.Message) bool {
	return f.matchRCode(m.Msg) && f.matchName(m)
}

// matchRCode accepts only replies if there is a list. In pktvisor a query over TCP passes a list
// with code 0, although a query over UDP does not.
func (f *filter) matchRCode(msg dnsmsg.Message) bool {
	if len(f.cfg.OnlyRCodes) == 0 || f.cfg.ExcludeNoError {
		return true
	}
	return msg.Response() && slices.Contains(f.cfg.OnlyRCodes, msg.RCode())
}

func (f *filter) matchName(m *handler.Message) bool {
	if len(f.names) == 0 {
		return true
	}
	f.text = m.Name.AppendText(f.text[:0])
	return m.Named && slices.ContainsFunc(f.names, func(n string) bool { return n == string(f.text) })
}

func (f *filter) matchHeader(msg dnsmsg.Message) bool {
	c := f.cfg
	switch {
	case c.ExcludeNoError && msg.RCode() == dnsmsg.RCodeNoError,
		!f.matchRCode(msg),
		c.AnswerCount != nil && msg.ANCount() != *c.AnswerCount,
		c.OnlyQueries && msg.Response(),
		c.OnlyReplies && !msg.Response(),
		c.OnlySignedReplies && !(msg.Response() && signed(msg)):
		return false
	}
	return true
}

func (f *filter) matchType(m *handler.Message) bool {
	return len(f.cfg.OnlyQTypes) == 0 || m.Named && slices.Contains(f.cfg.OnlyQTypes, m.Type)
}

// matchSubnet accepts queries whose client subnet is missing in the databases.
func (f *filter) matchSubnet(places *geo.Cache, m *handler.Message) bool {
	if !f.cfg.GeoNotFound && !f.cfg.ASNNotFound {
		return true
	}
	if places == nil || m.Msg.Response() {
		return false
	}
	ecs, ok := m.Msg.ClientSubnet()
	if !ok || !ecs.Addr.IsValid() {
		return false
	}
	if l := places.City(ecs.Addr); f.cfg.GeoNotFound && (l == nil || l.Text != geo.Unknown) {
		return false
	}
	as := places.ASN(ecs.Addr)
	return !f.cfg.ASNNotFound || as != nil && as.Text == geo.Unknown
}

// signed reports whether the answer section holds an RRSIG record.
func signed(msg dnsmsg.Message) bool {
	for rr := msg.Records(); rr.Next() && rr.Section() == dnsmsg.Answer; {
		if rr.Type() == dnsmsg.TypeRRSIG {
			return true
		}
	}
	return false
}
