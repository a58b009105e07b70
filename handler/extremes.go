package handler

import "visor/sketch"

// Least is a metric that shows the least of the numbers added. Mark it sparse: without numbers there is none.
type Least struct{ sketch.Extremes }

func (m *Least) mergeFrom(src state)          { m.Merge(&src.(*Least).Extremes) }
func (m *Least) copyFrom(src state)           { m.CopyFrom(&src.(*Least).Extremes) }
func (m *Least) render(v *Value, _ rendering) { v.Kind, v.Int = KindGauge, m.Min() }

// Greatest is a metric that shows the greatest of the numbers added. Mark it sparse.
type Greatest struct{ sketch.Extremes }

func (m *Greatest) mergeFrom(src state)          { m.Merge(&src.(*Greatest).Extremes) }
func (m *Greatest) copyFrom(src state)           { m.CopyFrom(&src.(*Greatest).Extremes) }
func (m *Greatest) render(v *Value, _ rendering) { v.Kind, v.Int = KindGauge, m.Max() }

// Mean is a metric that shows the mean of the numbers added, rounded down. Mark it sparse.
type Mean struct{ sketch.Extremes }

func (m *Mean) mergeFrom(src state)          { m.Merge(&src.(*Mean).Extremes) }
func (m *Mean) copyFrom(src state)           { m.CopyFrom(&src.(*Mean).Extremes) }
func (m *Mean) render(v *Value, _ rendering) { v.Kind, v.Int = KindGauge, m.Extremes.Mean() }
