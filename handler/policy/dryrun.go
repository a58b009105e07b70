package policy

import (
	"fmt"
	"slices"
	"sync"

	"visor/capture"
)

// CheckInput checks an input as [Inputs.Open] does, but opens nothing: the source that it returns yields nothing until it is closed.
// A Manager with it as its Open tries a document without any effect.
func CheckInput(typ string, config, only Options) (Opened, error) {
	if !slices.Contains(InputTypes(), typ) {
		return Opened{}, fmt.Errorf("input type '%s' is not available", typ)
	}
	if err := completeInput(typ, config, only); err != nil {
		return Opened{}, err
	}
	return live(&silent{gone: make(chan struct{})}, nil)
}

// completeInput returns what is wrong with an input, with what it lacks.
func completeInput(typ string, config, only Options) (err error) {
	switch {
	case typ == "pcap":
		_, err = ParsePcapInput(merged(config, only))
	case typ == "mock" && config["except_on_start"] != nil:
		err = errMock
	default:
		err = checkInput(typ, config, only)
	}
	return err
}

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

func (s *silent) Close() error {
	s.once.Do(func() { close(s.gone) })
	return nil
}
