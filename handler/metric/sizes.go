package metric

import "iter"

// Sizes counts lengths of up to 65535 bytes in bins of 16 bytes, exactly: 0 to 15, 16 to 31 and so
// on. RSSAC002 has the same bins. It is shown as a histogram. Memory is 8 bytes per bin up to the
// greatest length. A Sizes is owned by one goroutine. The zero Sizes is ready to use.
type Sizes struct{ linear }

// SizeBin is the width of a bin of [Sizes], in bytes.
const SizeBin = 16

var sizes = scale{
	width: SizeBin, bins: 1 << 16 / SizeBin,
	buckets: []int{63, 127, 191, 255, 383, 511, 767, 1023, 1279, 1535, 2047, 4095, 16383},
}

// Add adds n lengths of size bytes. Greater lengths than 65535 count as that.
func (s *Sizes) Add(size int, n uint64) { s.add(&sizes, size, n) }

// Bins yields the least length and the count of each bin that is not empty, in ascending order.
func (s *Sizes) Bins() iter.Seq2[int, uint64] { return s.all(&sizes) }

func (s *Sizes) mergeFrom(src state)          { s.merge(&sizes, &src.(*Sizes).linear) }
func (s *Sizes) copyFrom(src state)           { s.set(&src.(*Sizes).linear) }
func (s *Sizes) render(v *Value, _ Rendering) { s.show(&sizes, v) }
func (s *Sizes) wireKind() wireKind           { return wireSizes }
func (s *Sizes) read(data []byte) error       { return s.load(&sizes, data) }

// Lengths counts numbers from 0 to 255 exactly, such as labels of names. It is shown as a
// histogram. Memory is 8 bytes per number up to the greatest. A Lengths is owned by one goroutine.
// The zero Lengths is ready to use.
type Lengths struct{ linear }

var lengths = scale{width: 1, bins: 256, buckets: []int{1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 60, 80, 120, 200}}

// Add adds n times the given number. Greater numbers than 255 count as that.
func (s *Lengths) Add(number int, n uint64) { s.add(&lengths, number, n) }

// Bins yields the numbers with their counts, in ascending order.
func (s *Lengths) Bins() iter.Seq2[int, uint64] { return s.all(&lengths) }

func (s *Lengths) mergeFrom(src state)          { s.merge(&lengths, &src.(*Lengths).linear) }
func (s *Lengths) copyFrom(src state)           { s.set(&src.(*Lengths).linear) }
func (s *Lengths) render(v *Value, _ Rendering) { s.show(&lengths, v) }
func (s *Lengths) wireKind() wireKind           { return wireLengths }
func (s *Lengths) read(data []byte) error       { return s.load(&lengths, data) }
