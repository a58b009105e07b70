// Package rssac002 writes the measurements of a DNS server in the form that the operators of root
// servers publish: YAML by RSSAC002 version 5 ("RSSAC Advisory on Measurements of the Root Server
// System", https://www.icann.org/en/system/files/files/rssac-002-measurements-root-11mar20-en.pdf).
// Its input is the snapshots of a day:
//
//	day, err := handler.Merge(snapshots...) // of 00:00 to 24:00 UTC, from all workers and hosts
//	...
//	err = rssac002.Write(os.Stdout, day, rssac002.Config{Service: "b.root-servers.net"})
//
// The snapshots need the dns handler with its group "traffic". Four of the six metrics are written:
// traffic-volume, traffic-sizes, rcode-volume and unique-sources. Traffic cannot show the other
// two, load-time and zone-size, which come from the server. Keys and bins match the files that
// b.root-servers.net publishes as rssac002v5 (https://github.com/rssac-caucus/RSSAC002-data).
//
// Everything in the capture is counted, so choose an interface with the traffic of one service
// only. With local networks, version 2.0 of the handler separates that traffic from the server's
// own queries. Several sources, such as the interfaces of a server, are added up. Distinct counts
// are exact to 2048 and estimates above, see [visor/sketch.Cardinality]. With a deep_sample_rate
// below 100 they would be counts of a sample, which is an error.
package rssac002
