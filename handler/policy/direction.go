package policy

import (
	"context"
	"log/slog"
	"time"

	"visor/decode"
	"visor/handler"
)

// fewMessages is the number of DNS messages per minute below which a missing direction is not
// reported.
const fewMessages = 10

// watchDirections warns once when all DNS messages of a minute have the same direction.
// Conversations have queries and replies, so the input captures only one half, or the local
// networks are misconfigured.
func (in *input) watchDirections(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(handler.PeriodLength)
	defer ticker.Stop()
	var before [3]uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := in.pipeline.Ways()
		ways := [3]uint64{now[0] - before[0], now[1] - before[1], now[2] - before[2]}
		before = now
		if oneSided(ways) {
			log.Warn("the DNS messages of a minute went one way: is host_spec right, and does the input see both directions?",
				"input", in.name, "in", ways[decode.ToHost], "out", ways[decode.FromHost], "unknown", ways[decode.Unknown])
			return
		}
	}
}

func oneSided(ways [3]uint64) bool {
	sum := ways[0] + ways[1] + ways[2]
	return sum >= fewMessages && (ways[decode.ToHost] == 0 || ways[decode.FromHost] == 0)
}
