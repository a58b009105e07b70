package httpapi

import (
	"visor/export"
	"visor/export/history"
	"visor/handler/metric"
)

// historyFamilies returns the metrics of the agent's history.
func (f *families) history(s history.Stats) []export.Family {
	family := func(name, help string, typ export.FamilyType, n uint64) export.Family {
		out := export.Family{Name: "visor_history_" + name, Help: help, Type: typ}
		f.add(&out, n, nil)
		return out
	}
	failing := uint64(0)
	if s.Failing {
		failing = 1
	}
	out := []export.Family{
		family("written_total", "periods that were written", export.Counter, s.Written),
		family("lost_total", "periods that were not written because too many waited for the disk, or because the agent ended", export.Counter, s.Lost),
		family("duplicates_total", "periods that were not written because they are there already", export.Counter, s.Duplicates),
		family("damaged_total", "records that could not be read", export.Counter, s.Damaged),
		family("refused_total", "merges of records that do not fit together, as after a change of the policy", export.Counter, s.Refused),
		family("compactions_total", "compactions of the file", export.Counter, s.Compacted),
		family("pending", "periods that wait for the disk", export.Gauge, uint64(s.Pending)),
		family("failing", "1 if writing fails now", export.Gauge, failing),
		family("bytes", "bytes of the file in use", export.Gauge, uint64(s.Bytes)),
		family("file_bytes", "size of the file", export.Gauge, uint64(s.File)),
		family("over_bytes", "bytes in use over the limit, because the minutes of two hours stay", export.Gauge, uint64(s.Over)),
	}
	tiers := []struct {
		name, help string
		typ        export.FamilyType
		of         func(*history.TierStats) uint64
	}{
		{"records", "records by tier", export.Gauge, func(t *history.TierStats) uint64 { return uint64(t.Records) }},
		{"record_bytes", "bytes of records by tier", export.Gauge, func(t *history.TierStats) uint64 { return uint64(t.Bytes) }},
		{"expired_total", "records that were deleted for their age", export.Counter, func(t *history.TierStats) uint64 { return t.Expired }},
		{"evicted_total", "records that were deleted because the file was too large", export.Counter, func(t *history.TierStats) uint64 { return t.Evicted }},
	}
	for _, tier := range tiers {
		family := export.Family{Name: "visor_history_" + tier.name, Help: tier.help, Type: tier.typ}
		for i := range s.Tiers {
			f.add(&family, tier.of(&s.Tiers[i]), nil, metric.Label{Name: "tier", Value: s.Tiers[i].Tier})
		}
		out = append(out, family)
	}
	return out
}
