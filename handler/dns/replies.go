package dns

import (
	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/handler"
)

// replies counts the transactions of one direction and one second within a batch, by the header of
// the reply. As in a tally, that takes few cache lines.
type replies struct {
	all    uint64
	ip     [4]uint64 // by decode.LayerIPv4 and decode.LayerIPv6
	tcp    uint64    // without dnstap
	dnstap uint64    // see Direction.countTransport
	rcodes [16]uint64
	deep   [16]uint64 // rcodes of sampled transactions
	noData uint64
	aa     uint64
	ad     uint64
	cd     uint64 // of queries
}

// count counts a transaction. disabled reports whether its query disabled checking, and deep
// whether the reply was sampled.
func (t *replies) count(m *handler.Message, disabled, deep bool) {
	t.all++
	t.ip[m.Packet.Layers/decode.LayerIPv4%4]++
	switch {
	case m.DNSTapType != 0:
		t.dnstap++
	case m.TCP:
		t.tcp++
	}
	if disabled {
		t.cd++
	}
	if m.Msg == nil {
		return
	}
	code := m.Msg.RCode() & 15
	t.rcodes[code]++
	if deep {
		t.deep[code]++
	}
	if code == dnsmsg.RCodeNoError && m.Msg.ANCount() == 0 {
		t.noData++
	}
	if m.Msg.Authoritative() {
		t.aa++
	}
	if m.Msg.AuthenticatedData() {
		t.ad++
	}
}

// addReplies adds the transactions of a second. top reports whether the list of codes is on. It
// includes replies without a question, which pktvisor omits.
func (d *Direction) addReplies(t *replies, second int64, top bool) {
	d.Trans.Add(t.all)
	d.RateTrans.Add(second, t.all)
	const v4, v6 = 1, 2
	d.IPv4.Add(t.ip[v4] + t.ip[v4|v6])
	d.IPv6.Add(t.ip[v6])
	d.UDP.Add(t.all - t.tcp - t.dnstap)
	d.TCP.Add(t.tcp)
	for code, n := range t.rcodes {
		d.addResult(dnsmsg.RCode(code), n)
		if top && t.deep[code] > 0 {
			d.TopRCodes.Add(dnsmsg.RCode(code), t.deep[code])
		}
	}
	d.NoData.Add(t.noData)
	d.AA.Add(t.aa)
	d.AD.Add(t.ad)
	d.CD.Add(t.cd)
}
