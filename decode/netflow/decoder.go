package netflow

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"time"

	"visor/decode"
	"visor/internal/flowtable"
	"visor/internal/hash64"
)

// Config configures a Decoder. The zero Config is ready to use.
type Config struct {
	MaxTemplates int           // templates of all exporters; 0 means 4096. Those longest without renewal go first. One takes 8 KiB at most
	TemplateTTL  time.Duration // how long a template lives without renewal; 0 means 2 h
	MaxHeld      int           // bytes of data sets that wait for their template; 0 means 1 MiB
	HeldTTL      time.Duration // how long a data set waits; 0 means 5 min
}

const (
	defaultTemplates   = 4096
	defaultTemplateTTL = 2 * time.Hour // longer than the 30 min in which Cisco's exporters renew theirs if nothing else is set
	defaultHeld        = 1 << 20
	defaultHeldTTL     = 5 * time.Minute
	maxSources         = 4096 // exporters times observation domains
)

// Stats counts what a Decoder has seen.
type Stats struct {
	Datagrams       uint64
	Malformed       uint64 // datagrams that contradict themselves, at least in part, or of unknown versions
	Flows           uint64 // flow records
	OptionRecords   uint64 // data records of options templates
	Templates       uint64 // templates seen, renewals included
	OptionTemplates uint64
	HeldSets        uint64 // data sets that had to wait for their template
	LostSets        uint64 // of these, given up: their template did not come, or there was no room
	LostFlows       uint64 // flows missing by sequence numbers
	LostDatagrams   uint64 // datagrams missing by sequence numbers
	Evicted         uint64 // templates, and what was known of exporters, that had to go to make room
}

// Decoder decodes export datagrams. It is owned by one goroutine.
type Decoder struct {
	templates *flowtable.Table[*template]
	sources   *flowtable.Table[source]
	held      held
	swept     int64 // when templates were last looked through
	stats     Stats
	fields    []byteRange // scratch

	// of the datagram that is being decoded
	now   int64
	out   *decode.Export
	src   *source
	key   uint64 // of src
	ipx   bool   // it is IPFIX
	recs  uint32 // data records so far
	gaps  bool   // there was a set whose records could not be counted
	flood bool   // there are more flows than maxFlows
}

// source is what is known of one observation domain of an exporter.
type source struct {
	next     uint32 // expected sequence number, valid iff synced
	last     uint32 // the one before, likewise
	synced   bool
	lostSets uint32 // to be told with the next datagram
	sampling sampling
}

// New returns a Decoder.
func New(cfg Config) *Decoder {
	return &Decoder{
		templates: flowtable.New[*template](flowtable.Config{
			Capacity: cmp.Or(max(cfg.MaxTemplates, 0), defaultTemplates),
			TTL:      cmp.Or(max(cfg.TemplateTTL, 0), defaultTemplateTTL),
		}),
		sources: flowtable.New[source](flowtable.Config{Capacity: maxSources}),
		held: held{
			max: cmp.Or(max(cfg.MaxHeld, 0), defaultHeld),
			ttl: int64(cmp.Or(max(cfg.HeldTTL, 0), defaultHeldTTL)),
		},
	}
}

// Stats returns the counts since the Decoder was made.
func (d *Decoder) Stats() Stats {
	st := d.stats
	st.Evicted = d.templates.Stats().Evicted + d.sources.Stats().Evicted
	return st
}

// Decode reads a datagram that came from an exporter at tsNS. It sets all fields of e but TimeNS; the memory of e.Flows
// is used again. Headers in them borrow from b.
func (d *Decoder) Decode(tsNS int64, from netip.Addr, b []byte, e *decode.Export) {
	*e = decode.Export{TimeNS: tsNS, Device: from, Flows: e.Flows[:0]}
	d.now, d.out, d.flood = tsNS, e, false
	d.stats.Datagrams++
	if tsNS-d.swept >= int64(time.Minute) || tsNS < d.swept {
		d.templates.Expire(tsNS)
		d.swept = tsNS
	}
	ok := false
	if len(b) >= 2 {
		switch version := binary.BigEndian.Uint16(b); version {
		case 1, 5, 7:
			ok = d.fixed(version, b)
		case 9:
			ok = d.v9(b)
		case 10:
			ok = d.ipfix(b)
		}
	}
	if !ok || d.flood {
		e.Broken = true
		d.stats.Malformed++
	}
	d.stats.Flows += uint64(len(e.Flows))
	d.stats.LostFlows += uint64(e.LostFlows)
	d.stats.LostDatagrams += uint64(e.LostDatagrams)
	d.out, d.src = nil, nil
}

// open makes the source with this number current, a new one if need be. The number holds the version, so that an exporter may speak
// several.
func (d *Decoder) open(version uint16, number uint64) {
	d.key = hash64.IPv6(d.out.Device.As16()) ^ hash64.Uint64(number<<16|uint64(version))
	d.recs, d.gaps = 0, false
	src, ok := d.sources.Get(d.key)
	if !ok {
		src = d.sources.Put(d.key, d.now)
	}
	d.src = src
	d.out.LostSets += src.lostSets
	src.lostSets = 0
}

// maxGap is the widest gap in sequence numbers that is taken for a loss. Beyond, the exporter has started again.
const maxGap = 1 << 24

// sequence compares the sequence number of a datagram with the expected one, and returns how many are missing. n is how far the
// next one is.
func (d *Decoder) sequence(number, n uint32) (missing uint32) {
	if gap := number - d.src.next; d.src.synced && gap < maxGap {
		missing = gap
	}
	d.src.next, d.src.last, d.src.synced = number+n, number, true
	return missing
}

// sequenceIPFIX is sequence for IPFIX, whose number says how many data records came before the message (RFC 7011 section 3.1). Some
// exporters, softflowd 1.1.0 among them, count those of the message itself as well: where one or the other reading explains the number,
// nothing is missing.
func (d *Decoder) sequenceIPFIX(number, n uint32) (missing uint32) {
	inclusive := number - n - d.src.last
	missing = d.sequence(number, n)
	if inclusive < maxGap {
		missing = min(missing, inclusive)
	}
	return missing
}
