// Package dnstap reads dnstap messages (https://dnstap.info) in Frame Streams: what DNS servers log
// of their queries and responses. They come from files, and from servers that connect to a Unix or
// TCP socket.
//
//	src, err := dnstap.Listen(dnstap.Config{Network: "unix", Address: "/run/visord/dnstap.sock"})
//	src, err := dnstap.Open("queries.dnstap")
//
// Both are sources of frames of link type [decode.LinkDNSTap], which a handler.Pipeline decodes. A
// frame's time is that of its message.
//
// A [File] is one Frame Streams file or several, one after the other, plain or compressed by gzip,
// zstd or bzip2.
//
// A [Listener] takes many clients at once, with the handshake of bidirectional streams and without.
// When the pipeline is late, clients have to wait, as Frame Streams writers can: nothing is dropped
// here. Clients are not trusted. Frames have a greatest length, a handshake and every frame that
// was begun must come in time, the number of clients is limited, in all and for one address, and
// long frames share a budget of memory. A client that is turned away is counted with reason and
// address, see [Listener.Reasons].
//
// An [Output] takes messages from Go programs that write dnstap with golang-dnstap.
package dnstap
