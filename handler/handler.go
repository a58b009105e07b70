package handler

import (
	"visor/decode"
	"visor/decode/bgpmsg"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/handler/metric"
)

// Handler is an analyzer with its configuration: what NewPipeline is given. It makes one [Shard]
// per worker. A Handler is immutable and safe for concurrent use.
type Handler interface {
	Info() Info
	NewShard() Shard
}

// Info tells what a Handler is and how its answers are shown.
type Info struct {
	// instance name, unique in a pipeline; the JSON key of the module's answers
	Name string
	// where its events come from: a label of Prometheus; "" for none
	Tap     string
	Type    string // YAML type: "net", "dns", "pcap"
	Version string // "1.0" or "2.0"
	// JSON key and Prometheus prefix of the metrics: "packets", "dns"
	Schema  string
	Periods int // buckets kept, the live one included
	TopN    int // entries shown per list
	// lists end at the first estimate below this percentile of the list; 0 shows all
	TopPercentile int
	Groups        metric.GroupSet   // enabled metric groups
	GroupNames    metric.GroupNames // names of all metric groups; nil if there are none
	Metrics       []metric.Field    // what it counts, with all groups
	// the handler reads [Batch].Exports: every UDP datagram is taken for one of a flow exporter
	Exports bool
}

// Shard is a handler's part in one worker: it is owned by the worker's goroutine. Analyzers embed a
// [Base], which provides all methods but Process.
type Shard interface {
	// Process counts one batch. All its packets belong to the live period. Nothing of the batch
	// may be kept after Process returns.
	Process(b *Batch)
	// Shift closes the live period; the new one starts at startNS.
	Shift(startNS int64)
	// Account tells what became of the events offered to the shard.
	Account() Account
	// Passed returns what the last batch holds after this handler's filters, for the next handler
	// of a sequence. It is valid until the next call of Process.
	Passed() *Batch

	bucketed
}

// Batch is what a worker shows to its shards: decoded once, read by all. It borrows from the source
// and the worker's decoders and is valid until Process returns.
type Batch struct {
	Packets []decode.Packet // every frame, also those that could not be decoded
	DNS     []Message       // the DNS messages in these frames, and in streams that they completed
	BGP     []BGPMessage    // the BGP messages in streams that these frames completed
	// what the UDP datagrams hold if they come from flow exporters; only if a handler asks for it
	Exports []decode.Export
	Losses  Losses // what was lost since the previous batch

	taps []dnstapmsg.Message // of Packets that are dnstap messages, by their index
}

// Losses are packets that never became events, counted since the previous batch.
type Losses struct {
	Reassembly uint64 // TCP segments whose sequence numbers fit no stream
	Kernel     uint64 // dropped by the kernel because the reader was late
	Interface  uint64 // dropped by the interface
}

// Message is one DNS message, taken from a datagram, a reassembled datagram or a TCP stream.
type Message struct {
	TimeNS int64 // time of the frame that completed the message
	// that frame's outermost packet: its addresses decide the direction
	Frame *decode.Packet
	// the innermost packet: the client's and the server's addresses and ports
	Packet          *decode.Packet
	Msg             dnsmsg.Message // the message
	Name            dnsmsg.Name    // first QNAME; valid iff Named
	Hash            uint64         // of Name, by the pipeline's Hasher
	Flow            uint64         // hash of the five-tuple, the same for both directions
	dnsmsg.Question                // the first question, less its name; valid iff Named
	Client          uint16         // the port that is not the DNS port
	TCP             bool           // came through a TCP stream
	Named           bool           // the first question could be read
	Broken          bool           // not even a header: Msg is nil
	// what a dnstap frame says of the message, which Msg may lack; 0 if it came in a packet
	Tap dnstapmsg.Type
	// the dnstap message, which may hold the query of a response too; nil if it came in a packet
	DNSTap *dnstapmsg.Message
}

// BGPMessage is one BGP message, taken from a TCP stream of port 179.
type BGPMessage struct {
	TimeNS int64          // time of the frame that completed the message
	Frame  *decode.Packet // addresses and direction of the stream's frames
	Msg    bgpmsg.Message // the message; nil for bytes that are none
}

// Response reports whether m is a response.
func (m *Message) Response() bool {
	if m.Msg == nil {
		return m.Tap != 0 && !m.Tap.Query()
	}
	return m.Msg.Response()
}
