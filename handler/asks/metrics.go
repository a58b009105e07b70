package asks

import (
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
)

// defaultDetails is the usual number of clients and names with details.
const defaultDetails = 256

// Others is the name of all subjects beyond Config.Details.
const Others = "others"

// Metrics holds the counts of a Handler.
type Metrics struct {
	handler.EventCounts  `with:"what=DNS messages events=wire_packets.events deep=wire_packets.deep_samples rate=events filtered=wire_packets.filtered group="`
	handler.PassedCounts `with:"what=DNS messages total=wire_packets.total rate=total group="`

	Queries sketch.Counter     `metric:"wire_packets.queries" help:"DNS queries that passed the filters"`
	Replies sketch.Counter     `metric:"wire_packets.replies" help:"DNS replies that passed the filters"`
	Clients sketch.Cardinality `metric:"cardinality.clients" help:"distinct clients that sent a query or got a reply"`
	Names   sketch.Cardinality `metric:"cardinality.qnames" help:"distinct QNAMEs"`

	TopClients metric.TopNames                 `metric:"top_clients" label:"client" help:"clients by queries"`
	TopQNames  metric.TopNames                 `metric:"top_qnames" label:"qname" help:"QNAMEs by queries"`
	TopQTypes  metric.TopNumbers[dnsmsg.Type]  `metric:"top_qtypes" label:"qtype" help:"query types by queries"`
	TopRCodes  metric.TopNumbers[dnsmsg.RCode] `metric:"top_rcodes" label:"rcode" help:"response codes of replies"`

	// the first Config.Details of a period, and Others
	ByClient metric.Map[Client] `metric:"clients" label:"client"`
	ByQName  metric.Map[QName]  `metric:"qnames" label:"qname"`
}

// Client holds the counts of a client.
type Client struct {
	Subject `with:"of=client"`
}

// QName holds the counts of a name.
type QName struct {
	Subject `with:"of=qname"`
}

// Subject holds the counts of a client or a name.
type Subject struct {
	Queries  sketch.Counter `metric:"queries" prom:"asks_{of}_queries" help:"queries"`
	Replies  sketch.Counter `metric:"replies" prom:"asks_{of}_replies" help:"replies"`
	A        sketch.Counter `metric:"a" prom:"asks_{of}_a" sparse:"true" help:"queries for type A"`
	AAAA     sketch.Counter `metric:"aaaa" prom:"asks_{of}_aaaa" sparse:"true" help:"queries for type AAAA"`
	HTTPS    sketch.Counter `metric:"https" prom:"asks_{of}_https" sparse:"true" help:"queries for type HTTPS"`
	NoError  sketch.Counter `metric:"noerror" prom:"asks_{of}_noerror" sparse:"true" help:"replies with code NOERROR and an answer"`
	NoData   sketch.Counter `metric:"nodata" prom:"asks_{of}_nodata" sparse:"true" help:"replies with code NOERROR without an answer"`
	NXDomain sketch.Counter `metric:"nxdomain" prom:"asks_{of}_nxdomain" sparse:"true" help:"replies with code NXDOMAIN"`
	ServFail sketch.Counter `metric:"srvfail" prom:"asks_{of}_srvfail" sparse:"true" help:"replies with code SERVFAIL"`
	Refused  sketch.Counter `metric:"refused" prom:"asks_{of}_refused" sparse:"true" help:"replies with code REFUSED"`
	First    metric.Min     `metric:"first_seconds" prom:"asks_{of}_first_seconds" sparse:"true" help:"time of the first message, seconds since 1970"`
	Last     metric.Max     `metric:"last_seconds" prom:"asks_{of}_last_seconds" sparse:"true" help:"time of the last message, seconds since 1970"`
}

// add counts a message. It is a query, or stands for one, if asked is set.
func (s *Subject) add(m *handler.Message, asked bool, unix int64) {
	if unix > 0 {
		s.First.Add(uint64(unix))
		s.Last.Add(uint64(unix))
	}
	if m.Response() {
		s.reply(m.Msg)
	}
	if !asked {
		return
	}
	s.Queries.Add(1)
	switch {
	case !m.Named:
	case m.Type == dnsmsg.TypeA:
		s.A.Add(1)
	case m.Type == dnsmsg.TypeAAAA:
		s.AAAA.Add(1)
	case m.Type == dnsmsg.TypeHTTPS:
		s.HTTPS.Add(1)
	}
}

// reply counts a reply by its result. A reply of dnstap may lack the message.
func (s *Subject) reply(msg dnsmsg.Message) {
	s.Replies.Add(1)
	if msg == nil {
		return
	}
	switch msg.RCode() {
	case dnsmsg.RCodeNoError:
		if msg.ANCount() == 0 {
			s.NoData.Add(1)
		} else {
			s.NoError.Add(1)
		}
	case dnsmsg.RCodeNXDomain:
		s.NXDomain.Add(1)
	case dnsmsg.RCodeServFail:
		s.ServFail.Add(1)
	case dnsmsg.RCodeRefused:
		s.Refused.Add(1)
	}
}

// OtherTypes returns the number of queries of types without a counter.
func (s *Subject) OtherTypes() uint64 {
	return s.Queries.Value() - s.A.Value() - s.AAAA.Value() - s.HTTPS.Value()
}

// OtherResults returns the number of replies with results without a counter.
func (s *Subject) OtherResults() uint64 {
	return s.Replies.Value() - s.NoError.Value() - s.NoData.Value() - s.NXDomain.Value() - s.ServFail.Value() - s.Refused.Value()
}

// bound folds the subjects beyond most after a merge, those with the fewest messages first.
func (m *Metrics) bound(most int) {
	m.ByClient.FoldLeast(most, Others, func(c *Client) uint64 { return c.messages() })
	m.ByQName.FoldLeast(most, Others, func(n *QName) uint64 { return n.messages() })
}

func (s *Subject) messages() uint64 { return s.Queries.Value() + s.Replies.Value() }
