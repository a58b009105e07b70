package handler

import (
	"visor/capture"
	"visor/handler/anonymize"
	"visor/sketch/hash64"
)

// Recorded returns the frames of a recording in periods.
func Recorded(src capture.Source) capture.Source { return newRecorded(src, PeriodLength) }

// Shown returns the caches of addresses that the shards of handlers have in n workers.
func Shown(handlers []Handler, n int) [][]*anonymize.Cache {
	out := make([][]*anonymize.Cache, n)
	for k, m := range newMembers(&AttachConfig{Handlers: handlers}, n, hash64.Fixed()) {
		for _, s := range m.shards {
			out[k] = append(out[k], s.buckets().share(nil))
		}
	}
	return out
}
