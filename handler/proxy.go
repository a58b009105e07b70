package handler

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"visor/capture"
	"visor/decode"
	"visor/decode/proxymsg"
	"visor/internal/flowtable"
	"visor/sketch/hash64"
)

// proxies reads PROXY protocol headers ahead of DNS messages and stores the clients that they name.
type proxies struct {
	from []netip.Prefix // trusted proxies
	// clients by the proxy's datagram or connection; nil before the first
	clients  *flowtable.Table[proxied]
	unproven uint64     // headers of untrusted senders
	first    netip.Addr // the first untrusted sender
	// that describe the batch\'s messages of clients behind proxies
	packets []decode.Packet
}

// proxied identifies the client that speaks through a proxy.
type proxied struct{ client, server netip.AddrPort }

const (
	maxProxied = 1 << 14
	proxiedFor = time.Minute
)

// strip returns payload without its header, and the client if the header is trusted.
func (x *proxies) strip(p *decode.Packet, payload []byte) (rest []byte, who proxied, ok bool) {
	h, err := proxymsg.Parse(payload)
	if err != nil {
		return payload, who, false
	}
	who, ok = x.believe(p, h)
	return payload[h.Len:], who, ok
}

// believe returns the client, if the header comes from a trusted proxy and names one.
func (x *proxies) believe(p *decode.Packet, h proxymsg.Header) (who proxied, ok bool) {
	from := p.Src.Addr().Unmap()
	if !slices.ContainsFunc(x.from, func(net netip.Prefix) bool { return net.Contains(from) }) {
		if x.unproven == 0 {
			x.first = from
		}
		x.unproven++
		return who, false
	}
	return proxied{h.Src, h.Dst}, h.Src.IsValid()
}

// note stores the client for replies.
func (x *proxies) note(key uint64, nowNS int64, who proxied) {
	if x.clients == nil {
		x.clients = flowtable.New[proxied](flowtable.Config{Capacity: maxProxied, TTL: proxiedFor})
	}
	*x.clients.Put(key, nowNS) = who
}

// datagram applies the header ahead of a query to m. For a reply it applies the header of its
// query.
func (x *proxies) datagram(m *Message, who proxied, ok bool) {
	if m.Msg == nil || x.clients == nil && !ok {
		return
	}
	key := hash64.Mix(m.Flow + uint64(m.Msg.ID()))
	if ok {
		x.note(key, m.TimeNS, who)
	} else if m.Msg.Response() {
		who, _, ok = x.clients.Take(key)
	}
	if ok {
		x.speak(m, who)
	}
}

// forget removes the client of an earlier connection between the same ends.
func (x *proxies) forget(key uint64) {
	if x.clients != nil {
		x.clients.Delete(key)
	}
}

// connection applies the header at the start of m's connection to m.
func (x *proxies) connection(m *Message) {
	if x.clients == nil {
		return
	}
	if who, ok := x.clients.Get(m.Flow); ok {
		x.speak(m, *who)
	}
}

// speak sets the ends of the message to the client and its server. Its flow remains the one between
// the proxy and the server.
func (x *proxies) speak(m *Message, who proxied) {
	x.packets = append(x.packets, *m.Packet)
	p := &x.packets[len(x.packets)-1]
	p.Src, p.Dst = who.client, who.server
	if m.Response() {
		p.Src, p.Dst = p.Dst, p.Src
	}
	p.Layers &^= decode.LayerIP
	if who.client.Addr().Is4() {
		p.Layers |= decode.LayerIPv4
	} else {
		p.Layers |= decode.LayerIPv6
	}
	m.Packet, m.Client = p, who.client.Port()
}

func (x *proxies) appendReasons(out []capture.Reason) []capture.Reason {
	if x.unproven == 0 {
		return out
	}
	text := fmt.Sprintf("PROXY protocol header whose addresses are not believed: proxy_from does not list %s", x.first)
	return append(out, capture.Reason{Text: text, Count: x.unproven})
}
