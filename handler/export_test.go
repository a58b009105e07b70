package handler

import "visor/capture"

// Recorded returns the frames of a recording in periods.
func Recorded(src capture.Source) capture.Source { return newRecorded(src, PeriodLength) }
