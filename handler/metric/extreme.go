package metric

import "visor/sketch"

// Min is a metric that shows the least of the added numbers. Mark it sparse, because it lacks a
// value without numbers.
type Min struct{ sketch.Extremes }

func (m *Min) mergeFrom(src state)          { m.Merge(&src.(*Min).Extremes) }
func (m *Min) copyFrom(src state)           { m.CopyFrom(&src.(*Min).Extremes) }
func (m *Min) render(v *Value, _ Rendering) { v.Kind, v.Int = KindGauge, m.Min() }

// Max is a metric that shows the greatest of the added numbers. Mark it sparse.
type Max struct{ sketch.Extremes }

func (m *Max) mergeFrom(src state)          { m.Merge(&src.(*Max).Extremes) }
func (m *Max) copyFrom(src state)           { m.CopyFrom(&src.(*Max).Extremes) }
func (m *Max) render(v *Value, _ Rendering) { v.Kind, v.Int = KindGauge, m.Max() }

// Mean is a metric that shows the mean of the added numbers, rounded down. Mark it sparse.
type Mean struct{ sketch.Extremes }

func (m *Mean) mergeFrom(src state)          { m.Merge(&src.(*Mean).Extremes) }
func (m *Mean) copyFrom(src state)           { m.CopyFrom(&src.(*Mean).Extremes) }
func (m *Mean) render(v *Value, _ Rendering) { v.Kind, v.Int = KindGauge, m.Extremes.Mean() }
