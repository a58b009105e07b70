// Package dnstap reads dnstap messages (https://dnstap.info) in Frame Streams. DNS servers write
// them to log their queries and responses. The package reads files, and accepts servers that
// connect to a Unix or TCP socket.
//
//	src, err := dnstap.Listen(dnstap.Config{Network: "unix", Address: "/run/visord/dnstap.sock"})
//	src, err := dnstap.Open("queries.dnstap")
//
// Both are sources of frames of link type [decode.LinkDNSTap], which a handler.Pipeline decodes. A
// frame has the timestamp of its message.
//
// A [File] reads one Frame Streams file, or several concatenated ones, plain or compressed with
// gzip, zstd or bzip2.
//
// A [Listener] serves many clients at once, with the handshake of bidirectional streams and
// without. If the pipeline falls behind, clients have to wait, which Frame Streams writers support.
// The Listener does not drop frames.
//
// Clients are not trusted. The length of frames is limited, and so is the time for the handshake
// and for each frame. The number of clients is limited, in total and per address, and long frames
// share a memory budget. Clients that are turned away are counted by reason and address; see
// [Listener.Reasons].
package dnstap
