package flow

import (
	"visor/geo"
	"visor/handler/metric"
	"visor/sketch"
)

// The scales of all lists.
const (
	byBytes = iota
	byPackets
)

// oneWay holds the lists of one direction. Each is for bytes and packets, so that a key is looked
// up once.
type oneWay struct {
	srcIPs, dstIPs, srcPorts, dstPorts, srcIPPorts, dstIPPorts, dscp, ecn sketch.TopPairs
}

// bothWays holds the lists of both directions.
type bothWays struct{ places, systems, conversations sketch.TopPairs }

// Bind connects the metrics of i to its lists.
func (i *Interface) Bind() {
	i.InBytes.show(&i.in, byBytes)
	i.InPackets.show(&i.in, byPackets)
	i.OutBytes.show(&i.out, byBytes)
	i.OutPackets.show(&i.out, byPackets)
	i.Bytes.show(&i.both, byBytes)
	i.Packets.show(&i.both, byPackets)
}

func (v *Volume) show(l *oneWay, scale int) {
	v.TopSrcIPs.Show(&l.srcIPs, scale, itemOf)
	v.TopDstIPs.Show(&l.dstIPs, scale, itemOf)
	v.TopSrcPorts.Show(&l.srcPorts, scale, itemOf)
	v.TopDstPorts.Show(&l.dstPorts, scale, itemOf)
	v.TopSrcIPPorts.Show(&l.srcIPPorts, scale, itemOf)
	v.TopDstIPPorts.Show(&l.dstIPPorts, scale, itemOf)
	v.TopDSCP.Show(&l.dscp, scale, itemOf)
	v.TopECN.Show(&l.ecn, scale, itemOf)
}

func (b *Both) show(l *bothWays, scale int) {
	b.TopGeo.Show(&l.places, scale, placeOf)
	b.TopASN.Show(&l.systems, scale, itemOf)
	b.TopConversations.Show(&l.conversations, scale, itemOf)
}

// Bind connects the metrics of d to its lists.
func (d *Device) Bind() {
	d.Bytes.In.Show(&d.in, byBytes, itemOf)
	d.Bytes.Out.Show(&d.out, byBytes, itemOf)
	d.Packets.In.Show(&d.in, byPackets, itemOf)
	d.Packets.Out.Show(&d.out, byPackets, itemOf)
}

func placeOf(key []byte) metric.Item {
	name, lat, lon := geo.ParseKey(key)
	return metric.Item{Name: name, Lat: lat, Lon: lon}
}

// limit bounds the lists of an interface.
func (i *Interface) limit(budget *sketch.Budget) {
	for _, l := range []*oneWay{&i.in, &i.out} {
		for _, list := range []*sketch.TopPairs{
			&l.srcIPs, &l.dstIPs, &l.srcPorts, &l.dstPorts, &l.srcIPPorts, &l.dstIPPorts, &l.dscp, &l.ecn,
		} {
			list.Limit(maxEntries, budget)
		}
	}
	for _, list := range []*sketch.TopPairs{&i.both.places, &i.both.systems, &i.both.conversations} {
		list.Limit(maxEntries, budget)
	}
}

func (d *Device) limit(budget *sketch.Budget) {
	d.in.Limit(maxEntries, budget)
	d.out.Limit(maxEntries, budget)
}

func (i *Interface) cardinalities() [5]*sketch.Cardinality {
	return [...]*sketch.Cardinality{&i.SrcIPs, &i.DstIPs, &i.SrcPorts, &i.DstPorts, &i.Conversations}
}

// distinct returns the bytes of the cardinalities, which are not allocated from the budget.
func (i *Interface) distinct() (n int) {
	for _, c := range i.cardinalities() {
		n += c.Size()
	}
	return n
}

// trim releases the unused memory of the cardinalities in this period.
func (i *Interface) trim() {
	for _, c := range i.cardinalities() {
		c.Trim()
	}
}

// touch loads the memory that a record's keys are counted in, see [sketch.TopPairs.Touch].
func (l *oneWay) touch(v *view) uint64 {
	return l.srcIPs.Touch(&v.src.addr.PairKey) ^ l.dstIPs.Touch(&v.dst.addr.PairKey) ^
		l.srcPorts.Touch(&v.src.port.PairKey) ^ l.dstPorts.Touch(&v.dst.port.PairKey) ^
		l.srcIPPorts.Touch(&v.src.both.PairKey) ^ l.dstIPPorts.Touch(&v.dst.both.PairKey)
}

// seen marks the ends of a record that were already in the lists, and therefore in the
// cardinalities.
type seen struct{ src, dst, srcPort, dstPort bool }

// count counts a record in the lists of its direction.
func (l *oneWay) count(v *view, groups metric.GroupSet) (old seen) {
	if groups.Has(groupTopIPs) {
		old.src = !l.srcIPs.Add(&v.src.addr.PairKey, v.weight) && v.src.plain
		old.dst = !l.dstIPs.Add(&v.dst.addr.PairKey, v.weight) && v.dst.plain
	}
	if groups.Has(groupTopPorts) {
		old.srcPort = !l.srcPorts.Add(&v.src.port.PairKey, v.weight) && v.src.plain
		old.dstPort = !l.dstPorts.Add(&v.dst.port.PairKey, v.weight) && v.dst.plain
	}
	if groups.Has(groupTopIPPorts) {
		l.srcIPPorts.Add(&v.src.both.PairKey, v.weight)
		l.dstIPPorts.Add(&v.dst.both.PairKey, v.weight)
	}
	if groups.Has(groupTopToS) {
		l.dscp.Add(&v.dscp.PairKey, v.weight)
		l.ecn.Add(&v.ecn.PairKey, v.weight)
	}
	if v.weight == (sketch.Pair{}) { // it did not enter the lists
		return seen{}
	}
	return old
}

// count counts a record in the lists of both directions.
func (l *bothWays) count(v *view) {
	l.conversations.Add(&v.conversation.PairKey, v.weight)
	var key sketch.PairKey
	for _, at := range [...]*geo.Location{v.src.place, v.dst.place} {
		if at != nil {
			key.Set(at.Hash, at.Key)
			l.places.Add(&key, v.weight)
		}
	}
	for _, as := range [...]*geo.AS{v.src.system, v.dst.system} {
		if as != nil {
			v.system.setHashed(as.Hash, as.Key)
			l.systems.Add(&v.system.PairKey, v.weight)
		}
	}
}
