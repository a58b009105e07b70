package filter

import (
	"net"

	"visor/capture"
	"visor/decode"
)

// NewSource returns a Source of the frames of src that match expr. It takes ownership of src,
// unless it returns an [*Error] because expr is invalid for every link type. The link type may
// change from frame to frame. If expr is invalid for a link type, its first frame ends the Source
// with an error.
func NewSource(src capture.Source, expr string) (capture.Source, error) {
	e, err := parse(expr)
	if err != nil {
		return nil, err
	}
	s := &programs{expr: expr, parsed: e, made: make(map[decode.LinkType]*Program)}
	if err := s.use(decode.LinkEthernet); err != nil && s.use(decode.LinkSLL2) != nil && s.use(decode.LinkRaw) != nil {
		return nil, err
	}
	return capture.Filter(src, s.match), nil
}

// programs holds the compiled programs of an expression, one per link type seen.
type programs struct {
	expr    string
	parsed  expression
	made    map[decode.LinkType]*Program
	link    decode.LinkType // link type of current
	current *Program
}

func (s *programs) match(f *capture.Frame) (bool, error) {
	if f.Link != s.link {
		if err := s.use(f.Link); err != nil {
			return false, err
		}
	}
	return s.current.Match(f.Data, f.WireLen), nil
}

// use makes the program of a link type the current one.
func (s *programs) use(link decode.LinkType) error {
	p, ok := s.made[link]
	if !ok {
		var err error
		if p, err = compile(s.expr, s.parsed, link, net.DefaultResolver.LookupNetIP); err != nil {
			return err
		}
		s.made[link] = p
	}
	s.link, s.current = link, p
	return nil
}
