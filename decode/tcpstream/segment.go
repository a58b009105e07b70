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
	Payload []byte // what was captured of it
	// payload bytes on the wire, at most 64 KiB: those not in Payload are a gap; less means
	// len(Payload)
	WireLen int
	Seq     uint32
	Ack     uint32 // valid iff Flags has ACK
	Flags   uint8
	Dir     uint8 // which end sent it, 0 or 1; only the last bit counts
}

// Kind is what an Event tells.
type Kind uint8

// The kinds, in the order in which one side of a connection has them: Open, any number of Data and
// Gap, End.
const (
	Open Kind = iota + 1 // payload was seen for the first time; comes with the Feed of its segment
	Data                 // the next bytes
	Gap                  // the next bytes are missing
	End                  // there will be no more
)

// Event is what became known of one side of a connection. It is valid until the next call of Next,
// Feed or Advance.
type Event[S any] struct {
	State  *S     // of this side: zero, or as Release left it, at Open. Borrowed like the Event
	Data   []byte // Data: the bytes, never empty; borrowed from the Segment or the Assembler
	Lost   int    // Gap: how many bytes, above 0
	TimeNS int64  // of the segment that brought Data; else the latest time of Feed or Advance
	Key    uint64
	Kind   Kind
	Dir    uint8 // which end sent the bytes
	// Open: what follows is the stream from its first byte, as its SYN or the answer to it tells
	Start bool
}

// Config configures an Assembler of streams with states S. The zero Config is ready to use.
// Durations are in packet time.
type Config[S any] struct {
	// connections with payload remembered, and as many without; 0 or less means 65536
	MaxConns     int
	Pool         *Pool // where held bytes are kept, which others may share; nil means one of 4 MiB
	MaxPerStream int   // of which in one stream; 0 or less means 256 KiB; below 512 nothing is held
	MaxPieces    int   // pieces held in one stream; 0 or less means 64
	// silence that ends a connection, with an eighth of tolerance; 0 or less means 30s
	Idle time.Duration
	// how late a segment may be after its acknowledgement; 0 or less means 100ms
	Reorder time.Duration

	// Release, if not nil, is called with the state of a side after its End event, to drop what it
	// refers to but keep its buffers: another connection's side starts with what it leaves. Without
	// it, states start from zero.
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

// Stats counts what an Assembler has met.
type Stats struct {
	Segments    uint64 // fed
	Bytes       uint64 // delivered in Data
	Gaps        uint64 // delivered
	LostBytes   uint64 // missing in them
	Held        uint64 // pieces that had to wait for others before them
	Repeated    uint64 // segments with payload that brought nothing new
	Late        uint64 // segments of a connection that has just ended, ignored
	OutOfWindow uint64 // segments with payload or RST and a sequence number that cannot be, ignored

	Connections uint64 // begun, with their first payload
	Midstream   uint64 // of which without a SYN
	Finished    uint64 // ended with both FINs
	Reset       uint64 // ended with a RST
	Replaced    uint64 // ended by another connection under the same key
	Idle        uint64 // ended by silence
	Evicted     uint64 // ended because there were MaxConns of them
	Flushed     uint64 // ended by Flush
	Overflows   uint64 // holes given up because too much was held
	Forgotten   uint64 // connections without payload whose handshake was forgotten for want of room
}
