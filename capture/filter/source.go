package filter

import (
	"net"

	"visor/capture"
	"visor/decode"
)

// NewSource returns a Source with the frames of src that expr lets through. It takes ownership of src, unless expr is wrong for
// every link type, which an [*Error] tells. Link types may change from frame to frame; one that expr is not for ends the Source with
// an error when its first frame comes.
func NewSource(src capture.Source, expr string) (capture.Source, error) {
	e, err := parse(expr)
	if err != nil {
		return nil, err
	}
	s := &programs{expr: expr, parsed: e, made: make(map[decode.LinkType]*Program)}
	if err := s.use(decode.LinkEthernet); err != nil && s.use(decode.LinkSLL2) != nil && s.use(decode.LinkRaw) != nil {
		return nil, err
	}
	return capture.Select(src, s.match), nil
}

// programs are those of an expression, one for each link type that comes.
type programs struct {
	expr    string
	parsed  expression
	made    map[decode.LinkType]*Program
	link    decode.LinkType // of current
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
