// Package dnstap reads what DNS servers tell of their queries and responses: dnstap messages (https://dnstap.info) in
// Frame Streams, from files and from servers that connect to a Unix or TCP socket.
//
//	src, err := dnstap.Listen(dnstap.Config{Network: "unix", Address: "/run/visor/dnstap.sock"})
//	src, err := dnstap.Open("queries.dnstap")
//
// Both are sources of frames of link type [decode.LinkDNSTap], which a handler.Pipeline decodes. A frame's time is that of
// its message.
//
// A [Listener] takes many clients at once, with the handshake of bidirectional streams and without. Clients are not trusted:
// frames have a greatest length, a handshake and every frame that was begun must come in time, and the number of clients
// is limited. When the pipeline is late, clients have to wait, as Frame Streams writers can: nothing is dropped here. An
// [Output] takes messages from Go programs that write dnstap with golang-dnstap.
package dnstap
