package dns

import (
	"encoding/binary"
	mathbits "math/bits"
	"net/netip"

	"visor/geo"
	"visor/handler"
	"visor/sketch"
	"visor/sketch/hash64"
)

// clientCounts counts messages by client before they reach the lists. The clients of a link send
// many messages each. Such a message needs one probe of one cache line, not one in each list.
//
// A client has two slots to choose from. If neither is its own, it takes the one with fewer
// queries, so that busy clients stay. The counts of the owner leave for the lists of addresses,
// subnets, autonomous systems and places, in batches. Lists accept weights, so their bounds stay
// the same.
type clientCounts struct {
	slots   [1 << slotBits][2]clientCount // 256 KiB
	used    usedSlots
	leaving [together]leavingClient
	left    int    // clients in leaving
	touched uint64 // see touch

	to     *Clients
	hash   *hash64.Hasher
	mask   *mask
	geo    *geo.Cache // nil without databases
	v4, v6 int        // lengths of subnets' prefixes

	key sketch.PairKey // scratch
}

// clientCount is a slot, of half a cache line. Its counts leave before one of them overflows.
type clientCount struct {
	client address
	bytes  uint32                // of replies
	events [clientColumns]uint16 // by kind
}

// leavingClient holds the counts of a client on their way to the lists.
type leavingClient struct {
	client address
	hash   uint64
	sum    sketch.Columns
}

// address is an IPv6 address, or an IPv4 address that is mapped to one.
type address struct{ high, low uint64 }

const (
	mapped     = 0xFFFF << 32 // in the low word of an IPv4 address
	mappedMask = 0xFFFFFFFF << 32
)

// addressOf returns the address of a, without a branch.
func addressOf(a netip.Addr) address {
	b := a.As16() // maps an IPv4 address
	return address{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

// differs returns 0 if a and b are equal. It needs no branch.
func (a address) differs(b address) uint64 { return a.high ^ b.high | a.low ^ b.low }

func (a address) is4() bool { return a.high == 0 && a.low&mappedMask == mapped }

func (a address) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.high)
	binary.BigEndian.PutUint64(b[8:], a.low)
	return netip.AddrFrom16(b).Unmap()
}

// sum returns the hash of a.
func (a address) sum(h *hash64.Hasher) uint64 { return h.Pair(a.high, a.low) }

// subnet returns the address of the subnet of a, with prefixes of these lengths, and its length.
func (a address) subnet(v4, v6 int) (net address, bits byte) {
	if a.is4() {
		return address{a.high, a.low &^ (1<<(32-v4) - 1)}, byte(v4)
	}
	if v6 <= 64 {
		return address{a.high &^ (1<<(64-v6) - 1), 0}, byte(v6)
	}
	return address{a.high, a.low &^ (1<<(128-v6) - 1)}, byte(v6)
}

// clientOf returns the client of m. It returns false if the message lacks its address.
func clientOf(m *handler.Message) (client address, ok bool) {
	addr, _ := m.Ends()
	return addressOf(addr), addr.IsValid()
}

// replyKinds holds the kinds of replies by code: SERVFAIL is 2, NXDOMAIN is 3, and REFUSED is 5.
var replyKinds = [16]clientColumn{
	clientBytes, clientBytes, clientFailed, clientNXDomain, clientBytes, clientFailed, clientBytes, clientBytes,
	clientBytes, clientBytes, clientBytes, clientBytes, clientBytes, clientBytes, clientBytes, clientBytes,
}

// reply counts a reply by its length on the wire, even if the capture has a part of it. dnstap may
// lack the message.
func (t *clientCounts) reply(client address, m *handler.Message) {
	if m.Msg != nil {
		t.add(client, replyKinds[m.Msg.RCode()&15], uint32(sizeOf(m)))
	}
}

// touch loads the slots of clients, as [nameCounts.touch] does.
func (t *clientCounts) touch(next []address) {
	sum := uint64(0)
	for i := range next {
		sum += t.slots[t.slotOf(next[i])][0].client.low
	}
	t.touched = sum // else the compiler would remove the loop
}

// add counts an event of a client: one for the column of kind, and the bytes of a reply. It avoids
// a branch between the slots.
func (t *clientCounts) add(client address, kind clientColumn, bytes uint32) {
	slot := t.slotOf(client)
	two := &t.slots[slot]
	way := 0
	if two[1].client.differs(client) == 0 {
		way = 1
	}
	c := &two[way]
	if c.client.differs(client) != 0 {
		c = t.take(slot, client)
	}
	c.bytes += bytes
	n := &c.events[kind]
	*n++
	if c.bytes>>31|uint32(*n>>15) != 0 {
		t.leave(c)
	}
}

// slotOf returns the pair of slots of a client.
func (t *clientCounts) slotOf(client address) uint64 {
	return t.hash.Slot(client.high, client.low) >> (64 - slotBits)
}

// take assigns one of two slots to a client.
func (t *clientCounts) take(slot uint64, client address) *clientCount {
	t.used.set(slot)
	two := &t.slots[slot]
	c := &two[0]
	if two[1].events[clientQueries] < c.events[clientQueries] {
		c = &two[1]
	}
	t.leave(c)
	c.client = client
	return c
}

// leave sends the counts of c to the lists and sets them to 0.
func (t *clientCounts) leave(c *clientCount) {
	l := &t.leaving[t.left]
	l.client = c.client
	for kind, n := range c.events {
		l.sum[kind] = uint64(n)
	}
	l.sum[clientBytes] = uint64(c.bytes)
	*c = clientCount{client: c.client}
	if l.sum == (sketch.Columns{}) {
		return
	}
	if t.left++; t.left == len(t.leaving) {
		t.arrive()
	}
}

// arrive adds the counts on their way to the lists, one list after the other.
func (t *clientCounts) arrive() {
	all := t.leaving[:t.left]
	t.left = 0
	for i := range all {
		c := &all[i]
		c.hash = c.client.sum(t.hash)
		// without either, its queries count in an earlier period
		if c.sum[clientQueries]|c.sum[clientBytes] > 0 {
			t.to.Distinct.Add(c.hash)
		}
	}
	if t.geo != nil {
		for i := range all {
			t.arriveGeo(&all[i])
		}
	}
	if t.mask.by != nil {
		for i := range all {
			c := &all[i]
			c.client = t.mask.address(c.client)
			c.hash = c.client.sum(t.hash)
		}
	}
	for i := range all {
		c := &all[i]
		c.client.set(&t.key, c.hash, 0, 16)
		t.to.ByAddress.list.Add(&t.key, &c.sum)
	}
	for i := range all {
		c := &all[i]
		net, bits := c.client.subnet(t.v4, t.v6)
		net.set(&t.key, t.hash.Pair(net.high^uint64(bits), net.low), bits, 17)
		t.to.BySubnet.list.Add(&t.key, &c.sum)
	}
}

// set sets a key to the first n bytes of a and the length of its prefix.
func (a address) set(key *sketch.PairKey, hash uint64, bits byte, n int) {
	key.SetWords(hash, mathbits.ReverseBytes64(a.high), mathbits.ReverseBytes64(a.low), uint64(bits), n)
}

// arriveGeo adds the counts of c to the lists of autonomous systems and places.
func (t *clientCounts) arriveGeo(c *leavingClient) {
	addr := c.client.addr()
	if as := t.geo.ASN(addr); as != nil {
		t.key.Set(as.Hash, as.Key)
		t.to.ByASN.list.Add(&t.key, &c.sum)
	}
	if l := t.geo.City(addr); l != nil {
		t.key.Set(l.Hash, l.Key)
		t.to.ByPlace.list.Add(&t.key, &c.sum)
	}
}

// deliver adds all counts to the lists.
func (t *clientCounts) deliver() {
	t.used.set(t.slotOf(address{})) // a slot without an owner seems to have this one
	for i := range t.used.all {
		t.leave(&t.slots[i][0])
		t.leave(&t.slots[i][1])
	}
	t.arrive()
}
