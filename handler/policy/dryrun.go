package policy

import (
	"sync"

	"visor/capture"
)

// silent is a source without frames.
type silent struct {
	once sync.Once
	gone chan struct{}
}

var _ capture.Source = (*silent)(nil)

func (s *silent) ReadBatch(*capture.Batch) error {
	<-s.gone
	return capture.ErrClosed
}

// Live returns true: like most inputs, a silent one has no end.
func (*silent) Live() bool { return true }

func (s *silent) Close() error {
	s.once.Do(func() { close(s.gone) })
	return nil
}
