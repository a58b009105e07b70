package httpapi

import (
	"time"

	"visor/handler"
	"visor/handler/metric"
	"visor/handler/policy"
)

// moduleObject describes the i-th module of a part. For modules that track DNS transactions it
// includes their state.
func moduleObject(part *policy.Part, i int) object {
	info, mod := part.Attachment.Infos()[i], &part.Modules[i]
	config := make(object)
	for _, table := range []policy.Options{mod.Config, mod.Filter} {
		for key, value := range table {
			config[key] = value
		}
	}
	out := object{"module": object{"config": config, "name": info.Name, "running": part.InputStatus().Running, "type": info.Schema}}
	if open, follows := part.Attachment.Open()[info.Name]; follows {
		out["dns"] = object{"xact": object{"open": open}}
		out["metrics"] = object{"deep_sample_rate": sampleRate(mod), "periods_configured": info.Periods, "periods": periodObjects(part, i)}
	}
	return out
}

// sampleRate returns the deep_sample_rate of a module.
func sampleRate(mod *policy.Module) uint64 {
	for _, table := range []policy.Options{mod.Filter, mod.Config} {
		if rate, ok := table["deep_sample_rate"].(uint64); ok {
			return min(max(rate, 1), 100)
		}
	}
	return 100
}

// periodObjects returns the periods that a module keeps, the live one first.
func periodObjects(part *policy.Part, i int) []object {
	out := []object{}
	for n := 0; ; n++ {
		snap, err := part.Attachment.Bucket(n)
		if err != nil {
			return out
		}
		m := &snap.Modules[i]
		o := object{"start_tstamp": stamp(m.Start), "length": int64(m.Length.Seconds()), "read_only": n > 0, "events": eventsObject(m)}
		if n > 0 {
			o["end_tstamp"] = stamp(m.Start.Add(m.Length))
		}
		out = append(out, o)
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC().Format(time.DateTime)
}

// eventsObject returns the number of events of a module.
func eventsObject(m *handler.Module) object {
	out := make(object)
	for _, v := range m.Values() {
		if v.Kind != metric.KindCounter {
			continue
		}
		switch v.Path[len(v.Path)-1] {
		case "events", "observed_packets":
			out["total"] = v.Int
		case "deep_samples", "deep_sampled_packets":
			out["deep_samples"] = v.Int
		}
	}
	return out
}
