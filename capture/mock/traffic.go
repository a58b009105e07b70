package mock

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// LocalNets are the networks of the servers, in the format of [decode.ParseNetSet].
const LocalNets = "192.0.2.0/24,2001:db8:53::/48"

const (
	concurrent = 8    // conversations at once
	clients    = 5000 // by Zipf's law, like the names
	names      = 2000
)

// traffic generates frames of conversations. A few conversations run at once.
type traffic struct {
	rnd     *rand.Rand
	clients *rand.Zipf
	names   *rand.Zipf
	onlyDNS bool
	running [concurrent][][]byte // frames of each that are not yet sent
}

func newTraffic(seed uint64, onlyDNS bool) *traffic {
	rnd := rand.New(rand.NewPCG(seed, 0))
	return &traffic{rnd: rnd, clients: rand.NewZipf(rnd, 1.2, 2, clients), names: rand.NewZipf(rnd, 1.2, 2, names), onlyDNS: onlyDNS}
}

// next returns the next frame of one of the conversations.
func (t *traffic) next() []byte {
	c := &t.running[t.rnd.IntN(concurrent)]
	if len(*c) == 0 {
		*c = t.conversation()
	}
	frame := (*c)[0]
	*c = (*c)[1:]
	return frame
}

// conversation returns the frames of a new conversation.
func (t *traffic) conversation() [][]byte {
	v6 := t.rnd.IntN(5) == 0
	kind := t.rnd.IntN(100)
	switch {
	case t.onlyDNS || kind < 65:
		client, server := t.client(v6), server(v6, byte(53+t.rnd.IntN(4)), 53)
		query, response := t.lookup()
		return [][]byte{udp(client, server, query), udp(server, client, response)}
	case kind < 68:
		query, response := t.lookup()
		return exchange(t.rnd, t.client(v6), server(v6, 53, 53), prefixed(query), prefixed(response))
	case kind < 84:
		return exchange(t.rnd, t.client(v6), server(v6, 80, 443), t.noise(300), t.noise(1400))
	case kind < 94:
		client, server := t.client(v6), server(v6, 123, 123)
		return [][]byte{udp(client, server, t.noise(48)), udp(server, client, t.noise(48))}
	case kind < 98:
		client, server, id := t.client(false).addr, server(false, 1, 0).addr, uint16(t.rnd.Uint32())
		return [][]byte{ping(client, server, 8, id), ping(server, client, 0, id)}
	}
	router, host := server(false, 254, 0).addr, server(false, byte(1+t.rnd.IntN(250)), 0).addr
	return [][]byte{arp(1, router, host), arp(2, host, router)}
}

// client returns an endpoint outside of LocalNets.
func (t *traffic) client(v6 bool) endpoint {
	n, port := uint16(t.clients.Uint64()), uint16(1024+t.rnd.IntN(64512))
	if v6 {
		return endpoint{netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0D, 3: 0xB8, 4: byte(n >> 8), 15: byte(n)}), port}
	}
	return endpoint{netip.AddrFrom4([4]byte{198, 18 + byte(n>>15), byte(n >> 8), byte(n)}), port}
}

// server returns an endpoint in LocalNets.
func server(v6 bool, n byte, port uint16) endpoint {
	if v6 {
		return endpoint{netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0D, 3: 0xB8, 5: 0x53, 15: n}), port}
	}
	return endpoint{netip.AddrFrom4([4]byte{192, 0, 2, n}), port}
}

// noise returns up to n random bytes, at least half as many.
func (t *traffic) noise(n int) []byte {
	b := make([]byte, n-t.rnd.IntN(n/2))
	for i := range b {
		b[i] = byte(t.rnd.Uint32())
	}
	return b
}

// prefixed returns a DNS message with its length ahead, as in TCP.
func prefixed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

// lookup returns a DNS query and its response. One in ten names does not exist.
func (t *traffic) lookup() (query, response []byte) {
	const a, ns, mx, aaaa, https = 1, 2, 15, 28, 65
	types := []uint16{a, a, a, a, aaaa, aaaa, https, mx, ns}
	n, typ := t.names.Uint64(), types[t.rnd.IntN(len(types))]
	host := []string{"www", "mail", "api", "cdn"}[n%4]
	name := fmt.Sprintf("%s.example%d.%s", host, n/4, []string{"com", "net", "org"}[n%3])
	flags := uint16(0x8180) // response, recursion desired and available
	switch k := t.rnd.IntN(100); {
	case k < 10:
		name, flags = fmt.Sprintf("host%d.invalid", t.rnd.IntN(1000)), flags|3 // NXDOMAIN
	case k < 12:
		flags |= 2 // SERVFAIL
	}
	id := uint16(t.rnd.Uint32())
	query = question(id, 0x0100, 0, name, typ)
	if flags&0xF != 0 || typ != a && typ != aaaa {
		return query, question(id, flags, 0, name, typ)
	}
	const ttl = 60
	response = append(question(id, flags, 1, name, typ), 0xC0, 12, 0, byte(typ), 0, 1, 0, 0, 0, ttl)
	return query, append(response, prefixed(server(typ == aaaa, byte(n), 0).addr.AsSlice())...)
}

// question returns the header and the question of a message.
func question(id, flags uint16, answers byte, name string, typ uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, 0, 1, 0, answers, 0, 0, 0, 0)
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	b = binary.BigEndian.AppendUint16(append(b, 0), typ)
	return append(b, 0, 1)
}
