package filter

import (
	"net"

	"visor/capture"
	"visor/decode"
)

// Source passes on the frames of another source that a filter lets through. It is owned by one goroutine, as every Source.
type Source struct {
	of       capture.Source
	expr     string
	parsed   expression
	programs map[decode.LinkType]*Program
	link     decode.LinkType // of program
	program  *Program
	failed   error
}

var (
	_ capture.Source      = (*Source)(nil)
	_ capture.Stabler     = (*Source)(nil)
	_ capture.Progresser  = (*Source)(nil)
	_ capture.DropCounter = (*Source)(nil)
)

// NewSource returns a Source with the frames of src that expr lets through. It takes ownership of src, unless expr is wrong for
// every link type, which an [*Error] tells. Link types may change from frame to frame; one that expr is not for ends the Source with
// an error when its first frame comes.
func NewSource(src capture.Source, expr string) (*Source, error) {
	e, err := parse(expr)
	if err != nil {
		return nil, err
	}
	s := &Source{of: src, expr: expr, parsed: e, programs: make(map[decode.LinkType]*Program)}
	if err := s.use(decode.LinkEthernet); err != nil && s.use(decode.LinkSLL2) != nil && s.use(decode.LinkRaw) != nil {
		return nil, err
	}
	return s, nil
}

// ReadBatch implements [capture.Source]. Frames borrow from the source behind s.
func (s *Source) ReadBatch(b *capture.Batch) error {
	for s.failed == nil {
		if err := s.of.ReadBatch(b); err != nil {
			return err
		}
		kept := b.Frames[:0]
		for i := range b.Frames {
			f := &b.Frames[i]
			if s.program == nil || f.Link != s.link {
				if s.failed = s.use(f.Link); s.failed != nil {
					break
				}
			}
			if s.program.Match(f.Data, f.WireLen) {
				kept = append(kept, *f)
			}
		}
		b.Frames = kept
		if len(kept) > 0 {
			return nil // frames before the one that failed come first
		}
	}
	b.Frames = b.Frames[:0]
	return s.failed
}

// use takes the program for a link type.
func (s *Source) use(link decode.LinkType) error {
	p, ok := s.programs[link]
	if !ok {
		var err error
		if p, err = compile(s.expr, s.parsed, link, net.DefaultResolver.LookupNetIP); err != nil {
			return err
		}
		s.programs[link] = p
	}
	s.link, s.program = link, p
	return nil
}

// Close closes the source behind s.
func (s *Source) Close() error { return s.of.Close() }

// Stable tells whether frames of the source behind s are.
func (s *Source) Stable() bool { return capture.IsStable(s.of) }

// Progress returns that of the source behind s.
func (s *Source) Progress() (done, total int64) { return capture.ProgressOf(s.of) }

// Drops returns how many frames the source behind s has lost.
func (s *Source) Drops() uint64 { return capture.DropsOf(s.of) }
