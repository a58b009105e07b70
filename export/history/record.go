package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"visor/internal/wire"
)

// tier is a resolution of records.
type tier int

const (
	minute tier = iota // periods as they were counted, normally of a minute
	hour
	day
	tiers // the number of tiers
)

// String returns the name of t, which is also its bucket's.
func (t tier) String() string { return [...]string{"minute", "hour", "day"}[t] }

// length returns the length of the slots in which records of the tier below are merged into t.
func (t tier) length() int64 {
	return int64([...]time.Duration{0, time.Hour, 24 * time.Hour}[t])
}

// slot returns the start of t's slot that contains a time in ns since 1970, in UTC.
func (t tier) slot(ns int64) int64 {
	rest := ns % t.length()
	if rest < 0 {
		rest += t.length()
	}
	return ns - rest
}

// chain holds the records of a policy in a tier. They are numbered, and each contains the number of
// the one before it, so that a missing record shows. An hour made again after damage has the number
// of the last hour in its day.
type chain struct {
	tier   tier
	policy string
}

// record is a compressed snapshot with its place in the file.
type record struct {
	chain
	start, end     int64 // in ns since 1970
	number, before uint64
	upto           uint64 // highest number of the tier below that was merged into this one
	seen           uint64 // of a day: highest number of a minute that was merged into it
	lossy          bool   // records between the one before and this one were lost by damage
	sum            uint32 // the checksum of what was read
	data           []byte // zstd
}

const (
	recordVersion = 2 // 1 has no seen
	flagLossy     = 1
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errDamaged = errors.New("a record is damaged")
)

// append appends r with a checksum over everything, its place included.
func (r *record) append(dst []byte) []byte {
	at := len(dst)
	flags := byte(0)
	if r.lossy {
		flags |= flagLossy
	}
	dst = append(dst, 0, 0, 0, 0, recordVersion, flags, byte(r.tier))
	dst = wire.AppendText(dst, r.policy)
	dst = wire.AppendVarint(dst, r.start)
	dst = wire.AppendUvarint(dst, uint64(r.end-r.start))
	dst = wire.AppendUvarint(dst, r.number)
	dst = wire.AppendUvarint(dst, r.before)
	dst = wire.AppendUvarint(dst, r.upto)
	dst = wire.AppendUvarint(dst, r.seen)
	dst = append(dst, r.data...)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], castagnoli))
	return dst
}

// readRecord reads the record in b, which it borrows. It returns errDamaged, wrapped, for other
// bytes.
func readRecord(b []byte) (r record, err error) {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return r, fmt.Errorf("%w: its checksum is wrong", errDamaged)
	}
	return peekRecord(b)
}

// peekRecord is readRecord without the check of the checksum.
func peekRecord(b []byte) (r record, err error) {
	in := wire.NewReader(b)
	if sum := in.Bytes(4); sum != nil {
		r.sum = binary.LittleEndian.Uint32(sum)
	}
	version, flags, t := in.Byte(), in.Byte(), in.Byte()
	r.policy = in.Text()
	r.tier, r.lossy = tier(t), flags&flagLossy != 0
	r.start = in.Varint()
	length := in.Uvarint()
	r.number, r.before, r.upto = in.Uvarint(), in.Uvarint(), in.Uvarint()
	if r.seen = math.MaxUint64; version >= 2 {
		r.seen = in.Uvarint()
	}
	r.data = in.Bytes(uint64(in.Len()))
	r.end = r.start + int64(length)
	switch {
	case in.Err() != nil:
		return r, fmt.Errorf("%w: %w", errDamaged, in.Err())
	case version == 0 || version > recordVersion:
		return r, fmt.Errorf("%w: its version %d is unknown; update this program", errDamaged, version)
	case r.tier >= tiers || length > math.MaxInt64 || r.end < r.start:
		return r, fmt.Errorf("%w: its time is out of range", errDamaged)
	}
	return r, nil
}

// keyOf returns the key of a record that starts at a time, in the order of time.
func keyOf(start int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(start)^1<<63)
}

// startOf returns the start of a record by its key.
func startOf(key []byte) (int64, error) {
	if len(key) != 8 {
		return 0, fmt.Errorf("%w: its key has %d bytes", errDamaged, len(key))
	}
	return int64(binary.BigEndian.Uint64(key) ^ 1<<63), nil
}

// bucketOf returns the name of a policy's bucket. A bucket needs a name, and a policy may have an
// empty one.
func bucketOf(policy string) []byte { return append([]byte{'p'}, policy...) }
