package handler

import (
	"net/netip"

	"visor/decode"
	"visor/decode/bgpmsg"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/handler/metric"
)

// A Handler is a configured analyzer. The pipeline calls NewShard once per worker. A Handler is
// immutable and safe for concurrent use.
type Handler interface {
	Info() Info
	NewShard() Shard
}

// Info describes a Handler and how its answers are shown.
type Info struct {
	// instance name, unique in a pipeline; the JSON key of the module's answers
	Name string
	// source of its events: a label of Prometheus; may be empty
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
	GroupNames    metric.GroupNames // names of all metric groups; nil without groups
	Own           metric.GroupSet   // groups that pktvisor lacks, see [Spec]; 0 if it was read
	Metrics       []metric.Field    // all metrics, in all groups
	// the handler reads [Batch].Flows, so the pipeline decodes every UDP datagram as a flow
	// export
	WantsFlows bool
	// the handler passes events on in a sequence, see [Base].Forward; false if it was read
	Forwards bool
}

// Shard is a handler's part in one worker. The worker's goroutine owns it. Analyzers embed a
// [Base], which provides all methods except Process.
type Shard interface {
	// Process counts one batch. All packets belong to the live period. The shard must not keep
	// references to the batch after Process returns.
	Process(b *Batch)
	// Shift closes the live period and starts a new one at startNS.
	Shift(startNS int64)
	// Account counts the events offered to the shard by outcome.
	Account() Account
	// Flush adds the events of the batch to the account and the metrics. The pipeline calls it
	// after Process.
	Flush()
	// Forwarded returns the events of the last batch that passed this handler's filters, for the
	// next handler of a sequence. It is valid until the next call of Process.
	Forwarded() *Batch

	bucketed
}

// Batch is the input of shards, decoded once for all of them. It borrows memory from the source and
// the worker's decoders and is valid until Process returns.
type Batch struct {
	Packets []decode.Packet // all frames, including undecodable ones
	DNS     []Message       // the DNS messages in these frames, and in streams that they completed
	BGP     []BGPMessage    // the BGP messages in streams that these frames completed
	// flow exports in the UDP datagrams; only if a handler asks for them
	Flows []decode.FlowDatagram
	// packets since the previous batch that never became events
	Losses struct {
		Reassembly uint64 // TCP segments whose sequence numbers fit no stream
		Kernel     uint64 // dropped by the kernel because the reader was late
		Interface  uint64 // dropped by the interface
	}

	taps []dnstapmsg.Message // dnstap messages among Packets, by index
}

// AddDNS adds a message that passed a handler to the events for the next one. The packet of a
// datagram is its frame. A message of a stream becomes a packet of the message's length.
func (b *Batch) AddDNS(m *Message) {
	p := *m.Frame
	if m.TCP {
		p = *m.Packet
		p.Frame, p.Dir = m.Msg, m.Frame.Dir
	}
	b.Packets = append(b.Packets, p)
	b.DNS = append(b.DNS, *m)
}

// Message is one DNS message, taken from a datagram, a reassembled datagram or a TCP stream.
type Message struct {
	TimeNS int64 // time of the frame that completed the message
	// that frame's outermost packet; its addresses determine the direction
	Frame *decode.Packet
	// the innermost packet, with the addresses and ports of client and server. The source of a
	// dnstap message is its client, even of a response, as in pktvisor; see Ends
	Packet          *decode.Packet
	Msg             dnsmsg.Message // the message
	Name            dnsmsg.Name    // first QNAME; valid iff Named
	Hash            uint64         // hash of Name, by the pipeline's Hasher
	Flow            uint64         // hash of the five-tuple, the same for both directions
	dnsmsg.Question                // the first question without its name; valid iff Named
	Client          uint16         // the port that is not the DNS port
	TCP             bool           // came through a TCP stream
	Named           bool           // the first question could be read
	Broken          bool           // shorter than a header: Msg is nil
	// message bits of a dnstap frame, which Msg may lack; 0 if it came in a packet
	DNSTapType dnstapmsg.Type
	// the dnstap message, which may also hold the query of a response; nil if it came in a packet
	DNSTap *dnstapmsg.Message
}

// BGPMessage is one BGP message, taken from a TCP stream of port 179.
type BGPMessage struct {
	TimeNS int64          // time of the frame that completed the message
	Frame  *decode.Packet // addresses and direction of the stream's frames
	Msg    bgpmsg.Message // the message; nil for bytes that are not BGP
}

// Response reports whether m is a response.
func (m *Message) Response() bool {
	if m.Msg == nil {
		return m.DNSTapType != 0 && !m.DNSTapType.Query()
	}
	return m.Msg.Response()
}

// Ends returns the addresses of the client, which asks, and of the server. An address that dnstap
// lacks is invalid.
func (m *Message) Ends() (client, server netip.Addr) {
	client, server = m.Packet.Src.Addr(), m.Packet.Dst.Addr()
	if m.DNSTap == nil && m.Response() {
		client, server = server, client
	}
	return client, server
}
