package netflow

import (
	"cmp"
	"encoding/binary"
	"errors"
	"time"

	"visor/decode"
)

// Config configures a Decoder. The zero Config is ready to use.
type Config struct {
	// memory for exporters: templates, rates, sequence numbers; 0 means 16 MiB. The least recently
	// used are evicted first
	MaxBytes    int
	TemplateTTL time.Duration // how long a template lives without renewal; 0 means 2 h
	MaxHeld     int           // bytes of data sets that wait for their template; 0 means 1 MiB
	HeldTTL     time.Duration // how long a data set waits; 0 means 5 min
}

const (
	defaultBytes = 16 << 20
	// longer than 30 min, the default renewal interval of Cisco's exporters
	defaultTemplateTTL = 2 * time.Hour
	defaultHeld        = 1 << 20
	defaultHeldTTL     = 5 * time.Minute
)

// ErrVersion is the error for a datagram of an unsupported version.
var ErrVersion = errors.New("netflow: unknown version")

// Stats counts the input of a Decoder.
type Stats struct {
	Datagrams uint64
	// datagrams that contradict themselves, at least in part, or have unknown versions
	Malformed       uint64
	Flows           uint64 // flow records
	OptionRecords   uint64 // data records of options templates
	Templates       uint64 // templates seen, renewals included
	OptionTemplates uint64
	HeldSets        uint64 // data sets that had to wait for their template
	// held sets that were dropped: their template did not arrive, or memory was full
	LostSets      uint64
	LostFlows     uint64 // flows missing by sequence numbers
	LostDatagrams uint64 // datagrams missing by sequence numbers
	Evicted       uint64 // templates and exporter state evicted to make room
}

// Decoder decodes export datagrams. It is owned by one goroutine.
type Decoder struct {
	sources *sources
	held    held
	ttl     int64 // of templates, ns
	stats   Stats
	fields  []byteRange // scratch

	// state of the current datagram
	now     int64
	out     *decode.FlowDatagram
	session decode.FlowSession
	src     *source
	shared  *source // for all domains of the exporter; nil if absent
	ipx     bool    // the datagram is IPFIX
	recs    uint32  // data records so far
	gaps    bool    // it has a set whose records could not be counted
	flood   bool    // it has more flows than maxFlows
}

// New returns a Decoder.
func New(cfg Config) *Decoder {
	return &Decoder{
		sources: newSources(cmp.Or(max(cfg.MaxBytes, 0), defaultBytes)),
		ttl:     int64(cmp.Or(max(cfg.TemplateTTL, 0), defaultTemplateTTL)),
		held: held{
			max: cmp.Or(max(cfg.MaxHeld, 0), defaultHeld),
			ttl: int64(cmp.Or(max(cfg.HeldTTL, 0), defaultHeldTTL)),
		},
	}
}

// Stats returns the counts since the Decoder was made.
func (d *Decoder) Stats() Stats {
	st := d.stats
	st.Evicted = d.sources.evicted
	return st
}

// Decode reads a datagram of a session that arrived at tsNS. It sets all fields of e except
// TimeNS and reuses the memory of e.Flows. Their Headers borrow from b.
func (d *Decoder) Decode(tsNS int64, session decode.FlowSession, b []byte, e *decode.FlowDatagram) {
	*e = decode.FlowDatagram{TimeNS: tsNS, Device: session.From.Addr(), Flows: e.Flows[:0]}
	d.now, d.out, d.session, d.flood = tsNS, e, session, false
	d.stats.Datagrams++
	if e.Err = d.datagram(b); d.flood {
		e.Err = decode.ErrMalformed
	}
	if e.Err != nil {
		d.stats.Malformed++
	}
	d.stats.Flows += uint64(len(e.Flows))
	d.stats.LostFlows += uint64(e.LostFlows)
	d.stats.LostDatagrams += uint64(e.LostDatagrams)
	d.out, d.src, d.shared, d.sources.open = nil, nil, nil, nil
}

func (d *Decoder) datagram(b []byte) error {
	if len(b) < 2 {
		return decode.ErrMalformed
	}
	ok := false
	switch version := binary.BigEndian.Uint16(b); version {
	case 1, 5, 7:
		ok = d.fixed(version, b)
	case 9:
		ok = d.v9(b)
	case 10:
		ok = d.ipfix(b)
	default:
		return ErrVersion
	}
	if !ok {
		return decode.ErrMalformed
	}
	return nil
}

// open makes a source of the exporter current and creates it if needed.
func (d *Decoder) open(version uint8, number uint32) {
	key := sourceKey{session: d.session, number: number, version: version}
	if d.shared = nil; version >= 9 { // older ones have no options
		d.shared = d.sources.find(key.exporter())
	}
	d.src = d.sources.at(key)
	d.sources.open = d.src
	d.recs, d.gaps = 0, false
	d.out.LostSets += d.src.lostSets
	d.src.lostSets = 0
	d.expire()
}

// expire drops the held sets of the current source that are too old. Other exporters' clocks do not
// matter, so that the count is the same however exporters are spread over decoders.
func (d *Decoder) expire() {
	if d.src.heldSince == never || d.now-d.src.heldSince < d.held.ttl {
		return
	}
	lost, oldest := d.held.expire(d.src.key, d.now)
	d.src.heldSince = oldest
	d.loseOwn(lost)
}
