package tcpstream

import "time"

// The TCP flags that matter here (RFC 9293, section 3.1).
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	_
	ACK
)

// Segment is one TCP segment as captured. Feed borrows Payload until the next Feed.
type Segment struct {
	Key     uint64 // hash of the connection, the same in both directions: its identity
	TimeNS  int64  // capture time, ns since any epoch
	Payload []byte // the captured part
	// payload bytes on the wire, at most 64 KiB; those not in Payload become a gap; less means
	// len(Payload)
	WireLen int
	Seq     uint32
	Ack     uint32 // valid iff Flags has ACK
	Flags   uint8
	Dir     uint8 // the end that sent it, 0 or 1; only the last bit counts
}

// Kind is the kind of an Event.
type Kind uint8

// The kinds, in their order on one side of a connection: Open, any number of Data and Gap, End.
const (
	Open Kind = iota + 1 // the first payload; follows the Feed of its segment
	Data                 // the next bytes
	Gap                  // the next bytes are missing
	End                  // the stream has ended
)

// Event reports a change on one side of a connection. It is valid until the next call of Next, Feed
// or Advance.
type Event[S any] struct {
	// of this side; at Open it is zero, or as Release left it. Borrowed like the Event
	State  *S
	Data   []byte // Data: the bytes, never empty; borrowed from the Segment or the Assembler
	Lost   int    // Gap: number of missing bytes, above 0
	TimeNS int64  // of the segment with the Data; otherwise the latest time of Feed or Advance
	Key    uint64
	Kind   Kind
	Dir    uint8 // the end that sent the bytes
	// Open: the stream is complete from its first byte, as its SYN or the answer to it shows
	Start bool
}

// Config configures an Assembler of streams with states S. The zero Config is ready to use.
// Durations are in packet time.
type Config[S any] struct {
	// remembered connections with payload, and as many without; 0 or less means 65536
	MaxConns int
	Pool     *Pool // memory for held bytes, which others may share; nil means a Pool of 4 MiB
	// held bytes in one stream; 0 or less means 256 KiB; below 512 nothing is held
	MaxPerStream int
	MaxPieces    int // pieces held in one stream; 0 or less means 64
	// silence that ends a connection, with an eighth of tolerance; 0 or less means 30s
	Idle time.Duration
	// how late a segment may be after its acknowledgement; 0 or less means 100ms
	Reorder time.Duration

	// Stepped makes a connection age by its own segments and by Advance alone, so that its events
	// do not depend on other connections: a recording has the same streams with any number of
	// Assemblers that share it, even if times in it are wrong.
	Stepped bool

	// Release, if not nil, is called with the state of a side after its End event. It should drop
	// references but keep buffers, because a side of another connection reuses the state. Without
	// Release, states start from zero.
	Release func(*S)
}

const (
	defaultConns     = 1 << 16
	defaultBuffered  = 4 << 20
	defaultPerStream = 256 << 10
	defaultPieces    = 64
	defaultIdle      = 30 * time.Second
	defaultReorder   = 100 * time.Millisecond
)

func (cfg Config[S]) withDefaults() Config[S] {
	cfg.MaxConns = min(orDefault(cfg.MaxConns, defaultConns), 1<<28)
	if cfg.Pool == nil {
		cfg.Pool = NewPool(0)
	}
	cfg.MaxPerStream = orDefault(cfg.MaxPerStream, defaultPerStream)
	cfg.MaxPieces = min(orDefault(cfg.MaxPieces, defaultPieces), 1<<15)
	cfg.Idle = orDefault(cfg.Idle, defaultIdle)
	cfg.Reorder = orDefault(cfg.Reorder, defaultReorder)
	return cfg
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Stats counts the input and output of an Assembler.
type Stats struct {
	Segments    uint64 // fed
	Bytes       uint64 // delivered in Data
	Gaps        uint64 // delivered Gap events
	LostBytes   uint64 // bytes missing in Gaps
	Held        uint64 // pieces that waited for earlier ones
	Repeated    uint64 // segments with payload that added no bytes
	Late        uint64 // segments of a recently ended connection, ignored
	OutOfWindow uint64 // segments with payload or RST and an impossible sequence number, ignored

	Connections uint64 // begun, with their first payload
	Midstream   uint64 // begun without a SYN
	Finished    uint64 // ended with both FINs
	Reset       uint64 // ended with a RST
	Replaced    uint64 // ended by another connection under the same key
	Idle        uint64 // ended by silence
	Evicted     uint64 // ended because MaxConns was reached
	Flushed     uint64 // ended by Flush
	Overflows   uint64 // holes given up because too many bytes were held
	Forgotten   uint64 // connections without payload whose handshake was evicted
}
