package dns

import (
	"visor/decode/dnstapmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
)

// Tapped is what is counted of the dnstap messages of one type, queries and responses. pktvisor
// does not count these.
type Tapped struct {
	Queries   sketch.Counter  `metric:"queries,counters" prom:"dns_dnstap_queries" help:"dnstap messages of queries"`
	Responses sketch.Counter  `metric:"responses,counters" prom:"dns_dnstap_responses" help:"dnstap messages of responses"`
	HTTP1     sketch.Counter  `metric:"http1,counters" prom:"dns_dnstap_http1" sparse:"true" help:"dnstap messages of DNS over HTTP/1"`
	HTTP2     sketch.Counter  `metric:"http2,counters" prom:"dns_dnstap_http2" sparse:"true" help:"dnstap messages of DNS over HTTP/2"`
	HTTP3     sketch.Counter  `metric:"http3,counters" prom:"dns_dnstap_http3" sparse:"true" help:"dnstap messages of DNS over HTTP/3"`
	Policies  metric.TopNames `metric:"top_policies" prom:"dns_dnstap_top_policies" label:"policy" help:"operator policies that were applied to messages: type, action and rule"`
}

// tapCounts counts dnstap messages by type.
type tapCounts struct {
	// of the live period, by family; the first is of unknown types. nil until there is a message
	kinds [dnstapmsg.UpdateResponse/2 + 1]*Tapped
	asks  bool   // there are queries, not responses alone
	text  []byte // scratch
}

// shift forgets the metrics of the period that has closed; each is that of the new one.
func (c *tapCounts) shift(each *metric.Map[Tapped]) {
	if each.Len() == 0 { // unless there is but one period
		clear(c.kinds[:])
	}
}

// count updates what is counted of the message; deep is whether it was sampled, and h hashes the
// policy that it names.
func (c *tapCounts) count(each *metric.Map[Tapped], m *handler.Message, deep bool, h *hash64.Hasher) {
	t := c.at(each, m.Tap)
	if m.Tap.Query() {
		t.Queries.Add(1)
		c.asks = true
	} else {
		t.Responses.Add(1)
	}
	switch m.DNSTap.HTTP {
	case 1:
		t.HTTP1.Add(1)
	case 2:
		t.HTTP2.Add(1)
	case 3:
		t.HTTP3.Add(1)
	}
	if !deep || m.DNSTap.Policy == nil {
		return
	}
	p, err := dnstapmsg.ParsePolicy(m.DNSTap.Policy)
	if err != nil {
		return
	}
	if c.text = p.AppendText(c.text[:0]); len(c.text) > 0 {
		t.Policies.Add(h.Sum(c.text), c.text, 1)
	}
}

func (c *tapCounts) at(each *metric.Map[Tapped], typ dnstapmsg.Type) *Tapped {
	i, name := int(typ.Family()+1)/2, typ.String()
	if name == "" {
		i, name = 0, "other"
	}
	if c.kinds[i] == nil {
		c.kinds[i] = each.At(name)
	}
	return c.kinds[i]
}

// queryKey is the transactionKey of a query. Of a dnstap message without the DNS message, it is of
// the two ends and the time.
func queryKey(m *handler.Message) uint64 {
	if m.Msg == nil {
		return timeKey(m)
	}
	return transactionKey(m)
}

// timeKey returns what a dnstap query and its response have in common where one of them lacks the
// DNS message.
func timeKey(m *handler.Message) uint64 { return hash64.Mix(m.Flow ^ uint64(m.DNSTap.QueryTime)) }

// unknownTime is the duration of a transaction whose response was logged with both messages, but
// not with both times.
const unknownTime = -1

// duration returns how long the transaction of a dnstap response took, in ns, or unknownTime. If
// the response met its query, that was logged at startNS. It reports false if there is no
// transaction: the query was not met, and the response lacks the other half, or comes so late that
// the query has been counted as timed out.
func (c *tapCounts) duration(m *handler.Message, startNS int64, met bool, timeout int64) (took int64, ok bool) {
	t := m.DNSTap
	switch {
	case t.QueryTime != 0 && t.ResponseTime != 0:
		took = apart(t.QueryTime, t.ResponseTime)
		return took, met || !c.asks || took < timeout
	case met:
		return apart(startNS, m.TimeNS), true
	case len(t.Query) > 0 && len(t.Response) > 0:
		return unknownTime, true
	}
	return 0, false
}

// apart returns the time between a query and its reply. Capture clocks can step back.
func apart(a, b int64) int64 { return max(a-b, b-a) }
