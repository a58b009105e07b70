package dns

import (
	"net/netip"
	"strconv"

	"visor/geo"
	"visor/handler/metric"
	"visor/sketch"
)

// Clients are the counts of the hosts that ask. pktvisor does not have them. A client is the source
// of a query and the destination of a reply. Version 1.0 counts messages. Version 2.0 counts
// queries whose end is known: a reply or a timeout.
type Clients struct {
	Distinct sketch.Cardinality `metric:"cardinality.clients,top_clients" help:"distinct clients"`

	ByAddress TopClients `with:"top=top_clients by=client of=clients,top_clients"`
	BySubnet  TopClients `with:"top=top_client_subnets by=subnet of=subnets of clients,top_clients"`
	ByASN     TopClients `with:"top=top_client_asns by=asn of=autonomous systems of clients,top_clients"`
	ByPlace   TopClients `with:"top=top_client_places by=geo_loc of=locations of clients,top_clients"`

	// names and clients of sampled queries, in version 2.0 of those whose end is known
	NamesByClients metric.TopDistinctClients `metric:"names_by_clients,client_names" label:"qname" help:"names with the most distinct clients"`
	ClientsByNames metric.TopDistinctClients `metric:"clients_by_names,client_names" label:"client" help:"clients with the most distinct names"`

	// A copy over several messages counts with all of them. Copies over UDP are not seen.
	Transfers metric.TopNames `metric:"top_transfers,top_clients" label:"transfer" help:"clients and the zones that they copied over TCP (AXFR, IXFR), by the bytes of replies"`

	// Timeouts cuts names of more than 62 bytes to their last labels.
	Timeouts metric.TopDomains `metric:"top_timeouts,top_timeouts" label:"qname" help:"names of queries without a reply in time"`
}

// TopClients are five lists of one table.
type TopClients struct {
	Queries    metric.TopSide `metric:"{top}.queries" label:"{by}" help:"{of} by queries"`
	Bytes      metric.TopSide `metric:"{top}.reply_bytes" label:"{by}" help:"{of} by the bytes of replies to them, as on the wire"`
	NXDomain   metric.TopSide `metric:"{top}.nxdomain" label:"{by}" help:"{of} by replies with RCODE NXDOMAIN"`
	Failed     metric.TopSide `metric:"{top}.failed" label:"{by}" help:"{of} by replies with RCODE SERVFAIL or REFUSED"`
	Unanswered metric.TopSide `metric:"{top}.unanswered" label:"{by}" help:"{of} by queries without a reply in time"`

	list sketch.TopColumns
}

// clientColumn is a column of a client's counts.
type clientColumn uint8

const (
	clientQueries clientColumn = iota
	clientBytes
	clientNXDomain
	clientFailed
	clientUnanswered
	clientColumns
)

// bind connects the metrics of c to their lists.
func (c *Clients) bind() {
	c.ClientsByNames.ByClient()
	c.ByAddress.bind(addressItem)
	c.BySubnet.bind(subnetItem)
	c.ByASN.bind(func(key []byte) metric.Item { return metric.Item{Name: string(key)} })
	c.ByPlace.bind(func(key []byte) metric.Item {
		name, lat, lon := geo.ParseKey(key)
		return metric.Item{Name: name, Lat: lat, Lon: lon}
	})
}

func (c *TopClients) bind(item func(key []byte) metric.Item) {
	for column, side := range []*metric.TopSide{&c.Queries, &c.Bytes, &c.NXDomain, &c.Failed, &c.Unanswered} {
		side.ShowColumn(&c.list, column, item)
	}
}

// addressItem returns the Item of an address of 16 bytes.
func addressItem(key []byte) metric.Item {
	addr, _ := netip.AddrFromSlice(key)
	return metric.Item{Name: addr.Unmap().String()}
}

// subnetItem returns the Item of an address of 16 bytes and the length of its prefix.
func subnetItem(key []byte) metric.Item {
	last := len(key) - 1
	return metric.Item{Name: addressItem(key[:last]).Name + "/" + strconv.Itoa(int(key[last]))}
}
