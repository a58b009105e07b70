package handler

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
	"time"

	"visor/handler/metric"
	"visor/internal/wire"
	"visor/sketch/hash64"
)

// A snapshot in bytes: the magic, the version, the modules in blocks, the input in a block, and the
// CRC-32C of all that. The first snapshots end behind the modules.
const (
	snapshotMagic   = "vsnap"
	snapshotVersion = 1
	maxModules      = 4096
)

// DefaultEntries is the usual number of entries of each list in [Snapshot.AppendBinary].
const DefaultEntries = 256

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendBinary appends s in bytes, which [ReadSnapshot] reads in any program and version. They
// contain each metric's declaration beside its sketch, its origin and its time. by is the origin of
// modules of a pipeline; modules that were read or merged keep their origins.
//
// Of each list it appends the entries with the highest counts, normally [DefaultEntries]; 0 means
// all. Lists of groups that pktvisor lacks have a quarter as many, and lists of distinct names or
// clients a twelfth. Entries below a 4096th of the list's total are cut, too. What is cut is added
// to the list's error, so that all bounds stay true.
//
// Unless entries is 0, quantiles of groups that pktvisor lacks travel in bins four times as wide.
// They are within 0.8 per cent of the true ones then, instead of 0.2. Metrics of disabled groups
// are not appended. The bytes are not compressed; zstd makes them three times shorter.
func (s *Snapshot) AppendBinary(dst []byte, by Origin, entries int) ([]byte, error) {
	if len(s.Modules) > maxModules {
		return nil, fmt.Errorf("handler: a snapshot of more than %d modules", maxModules)
	}
	start := len(dst)
	dst = append(append(dst, snapshotMagic...), snapshotVersion)
	for _, v := range [...]uint64{uint64(max(s.Window, 0)), uint64(max(s.Period, 0)), uint64(len(s.Modules))} {
		dst = binary.AppendUvarint(dst, v)
	}
	for i := range s.Modules {
		var at int
		dst, at = wire.Open(dst)
		dst = wire.Close(s.Modules[i].append(dst, by, entries), at)
	}
	dst, at := wire.Open(dst)
	dst = wire.Close(s.Input.append(dst), at)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli)), nil
}

// The flags of a module.
const (
	flagLive = 1 << iota
	flagMixed
	flagStarted
)

// append appends m: its declaration, its time, its origins, and its metrics.
func (m *Module) append(dst []byte, by Origin, entries int) []byte {
	for _, s := range [...]string{m.Name, m.Tap, m.Type, m.Version, m.Schema, m.counts.declaredBy()} {
		dst = wire.AppendText(dst, s)
	}
	for _, v := range [...]int{m.Periods, m.TopN, m.TopPercentile, int(m.Groups)} {
		dst = binary.AppendUvarint(dst, uint64(max(v, 0)))
	}
	dst = wire.AppendTexts(dst, m.GroupNames)
	flags := byte(0)
	for flag, set := range map[byte]bool{flagLive: m.Live, flagMixed: m.mixed, flagStarted: !m.Start.IsZero()} {
		if set {
			flags |= flag
		}
	}
	dst = append(dst, flags)
	if !m.Start.IsZero() {
		dst = binary.AppendVarint(dst, m.Start.UnixNano())
	}
	for _, v := range [...]uint64{whole(m.Length), min(m.seconds, maxLength), uint64(m.current), m.Frames} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = append(binary.AppendVarint(dst, m.now.UnixNano()), m.HashID[:]...)
	counted := m.countedBy(by)
	dst = binary.AppendUvarint(dst, uint64(len(counted)))
	for i := range counted {
		dst = counted[i].append(dst)
	}
	dst, at := wire.Open(dst)
	return wire.Close(m.counts.record(m.Groups, m.Own).AppendBinary(dst, entries), at)
}

// countedBy returns the origins of m: by, unless m was read or merged.
func (m *Module) countedBy(by Origin) []Counted {
	if m.Counted != nil {
		return m.Counted
	}
	c := Counted{Origin: by, Module: m.Name, Tap: m.Tap}
	if !m.Start.IsZero() {
		start := time.Unix(m.Start.Unix(), 0)
		c.Spans = []Interval{{start, start.Add(time.Duration(min(m.seconds, maxLength)) * time.Second)}}
	}
	return []Counted{c}
}

// ReadSnapshot returns the snapshot in data, which it does not keep. Bytes that AppendBinary did
// not make are an error that contains the position. Memory is bounded, for all modules together,
// by 64 MiB and 32 times the bytes.
//
// The snapshot is like a query's answer. It shows metrics that this program does not declare.
// [Find] and the From of analyzers return the metrics that they declare.
func ReadSnapshot(data []byte) (*Snapshot, error) {
	body, err := checked(data)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(body)
	r.Bytes(uint64(len(snapshotMagic)) + 1)
	s := &Snapshot{Window: r.Int(math.MaxInt32), Period: time.Duration(r.Int(math.MaxInt64))}
	n := r.Count(16)
	if n > maxModules {
		r.Failf("%d modules", n)
	}
	room := metric.NewRoom(len(data))
	for range n {
		block := r.Block()
		m := readModule(&block, room)
		if r.Err() != nil {
			break
		}
		s.Modules = append(s.Modules, m)
	}
	if r.Err() == nil && r.Len() > 0 {
		block := r.Block()
		s.Input.read(&block)
	}
	if r.Err() != nil { // a newer version may append what this one ignores
		return nil, fmt.Errorf("handler: this is not a snapshot: %w", r.Err())
	}
	return s, nil
}

// checked returns data without its checksum, or an error if data is not a whole snapshot.
func checked(data []byte) ([]byte, error) {
	n := len(data) - crc32.Size
	switch {
	case !bytes.HasPrefix(data, []byte(snapshotMagic)) || n <= len(snapshotMagic):
		return nil, fmt.Errorf("handler: this is not a snapshot: byte 0: it does not begin with %q", snapshotMagic)
	case data[len(snapshotMagic)] != snapshotVersion:
		return nil, fmt.Errorf("handler: byte %d: version %d of snapshots is unknown; update this program", len(snapshotMagic), data[len(snapshotMagic)])
	case crc32.Checksum(data[:n], castagnoli) != binary.LittleEndian.Uint32(data[n:]):
		return nil, fmt.Errorf("handler: the snapshot is damaged: byte %d: its checksum is wrong", n)
	}
	return data[:n], nil
}

// readModule reads a block. A newer version may append to it what this one ignores.
func readModule(r *wire.Reader, room *metric.Room) (m Module) {
	c := &readCounts{}
	for _, s := range [...]*string{&m.Name, &m.Tap, &m.Type, &m.Version, &m.Schema, &c.declared} {
		*s = r.Text()
	}
	m.Periods, m.TopN, m.TopPercentile = r.Int(math.MaxInt32), r.Int(math.MaxInt32), r.Int(100)
	m.Groups = metric.GroupSet(r.Int(math.MaxUint32))
	m.GroupNames = r.Texts()
	flags := r.Byte()
	m.Live, m.mixed = flags&flagLive != 0, flags&flagMixed != 0
	if flags&flagStarted != 0 {
		m.Start = time.Unix(0, r.Varint())
	}
	m.Length = time.Duration(r.Int(int(maxLength))) * time.Second
	m.seconds, m.current, m.Frames = uint64(r.Int(int(maxLength))), int64(r.Int(math.MaxInt64)), r.Uvarint()
	m.now = time.Unix(0, r.Varint())
	copy(m.HashID[:], r.Bytes(uint64(len(hash64.ID{}))))
	if n := r.Count(8); n > maxCounted {
		r.Failf("%d handlers counted", n)
	} else {
		for range n {
			m.Counted = append(m.Counted, readCounted(r))
		}
	}
	if m.mixed {
		m.HashID = hash64.ID{}
	}
	at := r.At()
	record, err := metric.ReadRecord(r.Bytes(r.Uvarint()), m.HashID, room)
	if err != nil {
		r.Failf("module %q: after byte %d: %w", m.Name, at, err)
		return m
	}
	c.Record = record
	m.show(c)
	return m
}

// counts holds the counts of a Module: a *bucket[M], or the result of reading bytes.
type counts interface {
	// declaredBy returns the name of the struct that declares the metrics.
	declaredBy() string
	// record returns the metrics of enabled groups; pktvisor lacks those in own. It borrows them.
	record(groups, own metric.GroupSet) *metric.Record
}

func (b *bucket[M]) declaredBy() string { return nameOf[M]() }
func (b *bucket[M]) record(groups, own metric.GroupSet) *metric.Record {
	return b.Set.Record(groups, own)
}

// nameOf returns the name of a struct and its package: "dns.Metrics".
func nameOf[M any]() string { return reflect.TypeFor[M]().String() }

// readCounts are counts that were read from bytes.
type readCounts struct {
	*metric.Record
	declared string
}

func (c *readCounts) declaredBy() string                         { return c.declared }
func (c *readCounts) record(_, _ metric.GroupSet) *metric.Record { return c.Record }

// show makes c the counts of m.
func (m *Module) show(c *readCounts) {
	m.counts = c
	m.Metrics, m.LeftOut, m.Partial = c.Fields(), c.LeftOut(), c.Partial()
	groups := m.Groups
	m.render = func(r metric.Rendering) []metric.Value { return c.Values(groups, r) }
	m.addTo = func(dst *Module) bool {
		if dst.counts == nil {
			dst.counts = &readCounts{new(metric.Record), c.declared}
		}
		to, ok := dst.counts.(*readCounts)
		if ok {
			to.Merge(c.Record, dst.regroup(m.GroupNames, m.Groups))
		}
		return ok
	}
}

// finish shows the counts added to m.
func (m *Module) finish() {
	if c, ok := m.counts.(*readCounts); ok {
		m.show(c)
	}
}

// read returns m as it is after a journey, with all entries of its lists.
func (m *Module) read(by Origin) (Module, error) {
	if _, ok := m.counts.(*readCounts); ok {
		return *m, nil
	}
	data := m.append(nil, by, 0)
	r := wire.NewReader(data)
	out := readModule(r, metric.NewRoom(len(data)))
	return out, r.Err()
}
