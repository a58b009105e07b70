package history

import "testing"

// Steps are what the goroutine of a Store does, one by one.
type Steps struct{ w *writer }

// OpenStepped opens a store without its goroutine.
func OpenStepped(t *testing.T, cfg Config) (*Store, Steps) {
	t.Helper()
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{Store: s}
	if err := w.openFile(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, Steps{w}
}

// Flush writes the periods that wait.
func (s Steps) Flush() error { return s.w.flush() }

// Merge merges the records of slots that are over.
func (s Steps) Merge() error { return s.w.mergeSlots() }
