package dns

import (
	"visor/decode/dnstapmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
)

// DNSTapCounts holds the counts of dnstap messages of one type, queries and responses. pktvisor
// does not count these.
type DNSTapCounts struct {
	Queries   sketch.Counter  `metric:"queries,counters" total:"dnstap_queries" prom:"dns_dnstap_queries" help:"dnstap messages of queries"`
	Responses sketch.Counter  `metric:"responses,counters" total:"dnstap_responses" prom:"dns_dnstap_responses" help:"dnstap messages of responses"`
	HTTP1     sketch.Counter  `metric:"http1,counters" total:"dnstap_messages_by_http_version http_version=1" prom:"dns_dnstap_http1" sparse:"true" help:"dnstap messages of DNS over HTTP/1"`
	HTTP2     sketch.Counter  `metric:"http2,counters" total:"dnstap_messages_by_http_version http_version=2" prom:"dns_dnstap_http2" sparse:"true" help:"dnstap messages of DNS over HTTP/2"`
	HTTP3     sketch.Counter  `metric:"http3,counters" total:"dnstap_messages_by_http_version http_version=3" prom:"dns_dnstap_http3" sparse:"true" help:"dnstap messages of DNS over HTTP/3"`
	Policies  metric.TopNames `metric:"top_policies" prom:"dns_dnstap_top_policies" label:"policy" help:"operator policies that were applied to messages: type, action and rule"`
}

// dnstapKinds counts dnstap messages by type.
type dnstapKinds struct {
	// metrics of the live period by family of message types; the first is for unknown types. nil
	// until there is a message
	kinds [dnstapmsg.UpdateResponse/2 + 1]*DNSTapCounts
	asks  dnstapmsg.Families // of which queries were seen, not only responses
	text  []byte             // scratch
}

// shift drops the metrics of the closed period; each belongs to the new one.
func (c *dnstapKinds) shift(each *metric.Map[DNSTapCounts]) {
	if each.Len() == 0 { // a single bucket keeps them
		clear(c.kinds[:])
	}
}

// count updates the metrics of the message. deep reports whether it was sampled, and k hides
// addresses in the policy that it names.
func (c *dnstapKinds) count(each *metric.Map[DNSTapCounts], m *handler.Message, deep bool, k *mask) {
	t := c.at(each, m.DNSTapType)
	if m.DNSTapType.Query() {
		t.Queries.Add(1)
		c.asks.Add(m.DNSTapType)
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
	k.policy(&p)
	if c.text = p.AppendText(c.text[:0]); len(c.text) > 0 {
		t.Policies.Add(k.hash.Sum(c.text), c.text, 1)
	}
}

func (c *dnstapKinds) at(each *metric.Map[DNSTapCounts], typ dnstapmsg.Type) *DNSTapCounts {
	i, name := int(typ.Family()+1)/2, typ.String()
	if name == "" {
		i, name = 0, "other"
	}
	if c.kinds[i] == nil {
		c.kinds[i] = each.At(name)
	}
	return c.kinds[i]
}

// queryKey is the transactionKey of a query. For a dnstap message without the DNS message, it
// hashes the two ends and the time.
func queryKey(m *handler.Message) uint64 {
	if m.Msg == nil {
		return timeKey(m)
	}
	return transactionKey(m)
}

// timeKey returns the common key of a dnstap query and its response if one of them lacks the DNS
// message.
func timeKey(m *handler.Message) uint64 { return hash64.Mix(m.Flow ^ uint64(m.DNSTap.QueryTime)) }

// unknownTime is the duration of a transaction whose response was logged with both messages but
// without both times.
const unknownTime = -1

// duration returns the duration of a dnstap response's transaction in ns, or unknownTime. If the
// response matched its query, startNS is the query's time. It returns false without a transaction:
// the query was not found and the response lacks the other half, or the query has already been
// counted as timed out.
func (c *dnstapKinds) duration(m *handler.Message, startNS int64, met bool, timeout int64) (took int64, ok bool) {
	t := m.DNSTap
	switch {
	case t.QueryTime != 0 && t.ResponseTime != 0:
		took = apart(t.QueryTime, t.ResponseTime)
		return took, met || !c.asks.Has(m.DNSTapType) || took < timeout
	case met:
		return apart(startNS, m.TimeNS), true
	case len(t.Query) > 0 && len(t.Response) > 0:
		return unknownTime, true
	}
	return 0, false
}

// apart returns the time between a query and its reply. It handles capture clocks that step back.
func apart(a, b int64) int64 { return max(a-b, b-a) }
