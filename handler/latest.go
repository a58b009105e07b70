package handler

// Latest is a metric that shows the latest of several values.
type Latest struct {
	value uint64
	at    int64
}

// Set gives the metric a value, as of the time at.
func (m *Latest) Set(value uint64, at int64) { m.value, m.at = value, at }

// Value returns the latest value, 0 before the first.
func (m *Latest) Value() uint64 { return m.value }

// Reset forgets the value.
func (m *Latest) Reset() { *m = Latest{} }

func (m *Latest) mergeFrom(src state) {
	if s := src.(*Latest); s.at > m.at || m.at == 0 {
		*m = *s
	}
}
func (m *Latest) copyFrom(src state)           { *m = *src.(*Latest) }
func (m *Latest) render(v *Value, _ rendering) { v.Kind, v.Int = KindGauge, m.value }
