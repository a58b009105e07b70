package metric

// Gauge is a metric that shows the latest of several values.
type Gauge struct {
	value uint64
	at    int64
}

// Set sets the value at the time at.
func (m *Gauge) Set(value uint64, at int64) { m.value, m.at = value, at }

// Value returns the latest value, or 0 before the first.
func (m *Gauge) Value() uint64 { return m.value }

// Reset clears the value.
func (m *Gauge) Reset() { *m = Gauge{} }

func (m *Gauge) mergeFrom(src state) {
	if s := src.(*Gauge); s.at > m.at || m.at == 0 {
		*m = *s
	}
}
func (m *Gauge) copyFrom(src state)           { *m = *src.(*Gauge) }
func (m *Gauge) render(v *Value, _ Rendering) { v.Kind, v.Int = KindGauge, m.value }
