module visor/examples/dnsserver

go 1.26.0

replace visor => ../..

require (
	github.com/miekg/dns v1.1.73
	visor v0.0.0
)

require (
	github.com/influxdata/tdigest v0.0.1 // indirect
	github.com/oschwald/maxminddb-golang/v2 v2.9.0 // indirect
	github.com/pkg/errors v0.8.0 // indirect
	github.com/segmentio/go-hll v1.0.1 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
