// Package visor is the tour of a library that summarises network traffic while it flows: packets go
// in, and small answers come out. Who are the top talkers? How many clients asked in the last
// minute? How slow are the slowest DNS answers? Who still asks for a deleted name?
//
// A host program makes handlers, plugs them with a source into a pipeline, runs it and asks:
//
//	src, err := pcapfile.Open("capture.pcap")             // visor/capture/pcapfile
//	queries, err := dns.New(dns.Config{})                 // visor/handler/dns
//	p, err := handler.NewPipeline(handler.Config{         // visor/handler
//		Sources:  []capture.Source{src},
//		Handlers: []handler.Handler{queries},
//	})
//	err = p.Run(ctx)
//	snap, err := p.Bucket(0)
//	m := dns.From(snap)
//	fmt.Println(m.Queries.Value(), "queries for", m.QName.Estimate(), "names")
//	err = export.WriteJSON(os.Stdout, snap)               // visor/export
//
// Data moves one way, and each package imports only what stands before it:
//
//	capture    sources of frames: files, interfaces, dnstap, flow exports, probes, memory, taps in a server; filters
//	decode     what a frame is: link layers, IP, TCP, UDP; DNS, DHCP, BGP, NetFlow, IPFIX, sFlow; TCP streams
//	sketch     bounded summaries that merge: cardinality, top lists, quantiles, rates
//	window     the live bucket and the last closed ones
//	geo        where an address is, and whose
//	handler    the pipeline, and the analyzers below it; handler/policy runs them as documents say
//	export     JSON and its schemas, text for people, Prometheus, OpenTelemetry; the REST API
//
// sketch, window, geo and decode are of use alone. examples/visord is an agent made of all,
// examples/visor-cli its terminal UI, and examples/visor-reader reads captures; examples/sniff
// begins a program that captures, and examples/dnsserver has visor inside a server.
package visor
