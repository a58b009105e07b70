// Package visor is the tour of a library that summarises network traffic as it flows. Packets go
// in, and small answers come out. Which hosts are the top talkers? How many clients sent queries in
// the last minute? How slow are the slowest DNS responses? Which clients still query a deleted
// name?
//
// A host program creates handlers, combines them with a source into a pipeline, runs it and queries
// it:
//
//	src, err := pcapfile.Open("capture.pcap")             // visor/capture/pcapfile
//	queries, err := dns.New(dns.Config{})                 // visor/handler/dns
//	p, err := handler.NewPipeline(handler.Config{         // visor/handler
//		Sources:  []capture.Source{src},
//		Handlers: []handler.Handler{queries},
//	})
//	err = p.Run(ctx)
//	snap, err := p.Window(5) // the last five minutes, also while Run runs
//	m := dns.From(snap)
//	fmt.Println(m.Queries.Value(), "queries for", m.QName.Estimate(), "names")
//	err = export.WriteJSON(os.Stdout, snap)               // visor/export
//
// Dependencies point one way: each package imports only packages listed above it. A test in
// internal/archtest enforces that.
//
//	decode   packets: link layers, IP, TCP, UDP, DNS, DHCP, BGP, NetFlow, IPFIX, sFlow
//	capture  sources of frames: files, interfaces, dnstap, flow exports, probes, memory; filters
//	sketch   bounded summaries that merge: cardinality, top lists, quantiles, rates
//	window   the live bucket and the last closed ones
//	geo      location and autonomous system of an address
//	handler  the pipeline, and below it the analyzers; handler/policy runs YAML policies
//	export   JSON and its schemas, text, Prometheus, OpenTelemetry; history; findings; REST
//
// decode, sketch, window and geo can be used on their own. The examples are complete programs:
// examples/visord is an agent, examples/visor-cli its terminal UI, and examples/visor-reader
// summarises capture files. Start from examples/sniff to write a program that captures, and from
// examples/customhandler to write an analyzer. examples/dnsserver embeds visor in a server.
package visor
