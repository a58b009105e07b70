package metric

import (
	"fmt"

	"visor/internal/wire"
	"visor/sketch"
)

// wireKind is a kind of value in bytes. Numbers are never reused.
type wireKind byte

const (
	wireLeftOut wireKind = iota // not mergeable with others, and therefore left out
	wireCounter
	wireGauge
	wireMin
	wireMax
	wireMean
	wireCardinality
	wireQuantile
	wireRate
	wireHistogram
	wireList
	wireSubjects // of a Map
	wireSizes
	wireLengths
	wireDistinctNames
	wireDistinctClients
	wireLast = wireDistinctClients
)

// version returns the version of the bytes of values of kind k. All former ones are read.
func (k wireKind) version() byte {
	switch k {
	case wireList:
		return columnsVersion
	case wireQuantile: // columns, and coarse bins
		return 2
	case wireDistinctNames, wireDistinctClients: // cut, and shorter
		return 3
	}
	return 1
}

// traveller is a state that can be appended to bytes, other than a lister.
type traveller interface {
	metric
	wireKind() wireKind
	append(dst []byte) []byte
	read(data []byte) error
	// size returns the memory that the state holds outside itself.
	size() int
}

// cutter is a traveller that is a list with a sketch for each entry.
type cutter interface {
	traveller
	// appendHead appends the n entries with the highest counts; 0 means all.
	appendHead(dst []byte, n int) []byte
}

// cutShare divides the number of entries of a cutter. An entry has about ten times the bytes of
// another list's entry.
const cutShare = 12

// newTraveller returns an empty state of a kind, or nil for other kinds.
func newTraveller(k wireKind) traveller {
	switch k {
	case wireCounter:
		return counter{new(sketch.Counter)}
	case wireGauge:
		return new(Gauge)
	case wireMin:
		return new(Min)
	case wireMax:
		return new(Max)
	case wireMean:
		return new(Mean)
	case wireCardinality:
		return cardinality{new(sketch.Cardinality)}
	case wireQuantile:
		return quantile{new(sketch.Quantile)}
	case wireRate:
		return rate{new(sketch.Rate)}
	case wireHistogram:
		return histogram{new(sketch.Histogram)}
	case wireSizes:
		return new(Sizes)
	case wireLengths:
		return new(Lengths)
	case wireDistinctNames:
		return new(TopDistinctNames)
	case wireDistinctClients:
		return new(TopDistinctClients)
	}
	return nil
}

// mustAppend drops the error of a sketch that never fails to marshal.
func mustAppend(dst []byte, _ error) []byte { return dst }

func (c counter) wireKind() wireKind       { return wireCounter }
func (c counter) append(dst []byte) []byte { return mustAppend(c.AppendBinary(dst)) }
func (c counter) read(data []byte) error   { return c.UnmarshalBinary(data) }
func (c counter) size() int                { return 0 }

func (c cardinality) wireKind() wireKind       { return wireCardinality }
func (c cardinality) append(dst []byte) []byte { return c.AppendPlain(dst) }
func (c cardinality) read(data []byte) error   { return c.SetPlain(data) }
func (c cardinality) size() int                { return c.Size() }

func (q quantile) wireKind() wireKind       { return wireQuantile }
func (q quantile) append(dst []byte) []byte { return mustAppend(q.AppendBinary(dst)) }
func (q quantile) size() int                { return q.Size() }
func (q quantile) appendShort(dst []byte, coarse bool) []byte {
	if coarse {
		return q.AppendCoarse(dst)
	}
	return q.append(dst)
}
func (q quantile) read(data []byte) error {
	if err := q.UnmarshalBinary(data); err != nil {
		return err
	}
	if d := q.Max() - q.Min(); d-d != 0 { // an infinity, which JSON cannot show
		return fmt.Errorf("a sample is infinite")
	}
	return nil
}

func (q rate) wireKind() wireKind       { return wireRate }
func (q rate) append(dst []byte) []byte { return mustAppend(q.AppendBinary(dst)) }
func (q rate) read(data []byte) error   { return q.UnmarshalBinary(data) }
func (q rate) size() int                { return 8 * q.Len() }

func (h histogram) wireKind() wireKind       { return wireHistogram }
func (h histogram) append(dst []byte) []byte { return mustAppend(h.AppendBinary(dst)) }
func (h histogram) read(data []byte) error   { return h.UnmarshalBinary(data) }
func (h histogram) size() int                { return histogramBytes }

// histogramBytes is the memory of a histogram with values.
const histogramBytes = 4096

func (m *Min) wireKind() wireKind       { return wireMin }
func (m *Min) append(dst []byte) []byte { return mustAppend(m.AppendBinary(dst)) }
func (m *Min) read(data []byte) error   { return m.UnmarshalBinary(data) }
func (m *Min) size() int                { return 0 }

func (m *Max) wireKind() wireKind       { return wireMax }
func (m *Max) append(dst []byte) []byte { return mustAppend(m.AppendBinary(dst)) }
func (m *Max) read(data []byte) error   { return m.UnmarshalBinary(data) }
func (m *Max) size() int                { return 0 }

func (m *Mean) wireKind() wireKind       { return wireMean }
func (m *Mean) append(dst []byte) []byte { return mustAppend(m.AppendBinary(dst)) }
func (m *Mean) read(data []byte) error   { return m.UnmarshalBinary(data) }
func (m *Mean) size() int                { return 0 }

func (m *Gauge) wireKind() wireKind { return wireGauge }
func (m *Gauge) append(dst []byte) []byte {
	return wire.AppendVarint(wire.AppendUvarint(dst, m.value), m.at)
}
func (m *Gauge) size() int { return 0 }
func (m *Gauge) read(data []byte) error {
	r := wire.NewReader(data)
	m.value, m.at = r.Uvarint(), r.Varint()
	r.End()
	return r.Err()
}
