package handler

import (
	"cmp"
	"errors"
	"fmt"

	"visor/handler/anonymize"
	"visor/handler/metric"
)

// Spec describes a kind of handler.
type Spec struct {
	Type     string            // YAML type: "net", "dns", "pcap"
	Version  string            // "" means "1.0"
	Schema   string            // JSON key and Prometheus prefix of the metrics; "" means Type
	Groups   metric.GroupNames // metric groups; nil if there are none
	Defaults metric.GroupSet   // groups that are enabled unless Settings change them
	// groups that pktvisor lacks. They are enabled unless Settings change them, and are off under
	// [Settings.PktvisorGroups] unless Settings.Enable names them
	Own        metric.GroupSet
	WantsFlows bool // the handler reads [Batch].Flows
	Forwards   bool // the handler passes events on in a sequence, see [Base].Forward
}

// Declared is embedded by handlers. It provides Info and the [Base] of each shard. M is the struct
// that declares the metrics.
type Declared[M any] struct {
	info       Info
	schema     *metric.Schema[M]
	deepSample int
	anonymize  *anonymize.Method
}

// Declare returns the Declared of a kind of handler, or an error that joins all problems in s and
// in the declaration of M. As in pktvisor, settings of groups have no effect on a kind without
// groups.
func Declare[M any](spec Spec, s Settings) (Declared[M], error) {
	s = s.withDefaults(spec.Type)
	spec.Schema = cmp.Or(spec.Schema, spec.Type)
	info, err := spec.info(s)
	schema, schemaErr := metric.NewSchema[M](spec.Schema, spec.Groups)
	if schemaErr == nil {
		info.Metrics = schema.Fields()
	}
	return Declared[M]{info, schema, s.DeepSample, s.Anonymize}, errors.Join(err, schemaErr)
}

// info returns the Info of a handler with settings s.
func (spec Spec) info(s Settings) (Info, error) {
	if s.TopPercentile < 0 || s.TopPercentile > 100 {
		return Info{}, fmt.Errorf("handler: TopPercentile %d is not in 0…100", s.TopPercentile)
	}
	groups := spec.Defaults | spec.Own
	if s.PktvisorGroups {
		groups &^= spec.Own
	}
	if len(spec.Groups) > 0 {
		var err error
		if groups, err = spec.Groups.Resolve(groups, spec.Own, s.Enable, s.Disable); err != nil {
			return Info{}, err
		}
	}
	return Info{
		Name: s.Name, Tap: s.Tap, Type: spec.Type, Version: cmp.Or(spec.Version, "1.0"), Schema: spec.Schema,
		Periods: s.Periods, TopN: s.TopN, TopPercentile: s.TopPercentile,
		Groups: groups, GroupNames: spec.Groups, Own: spec.Own, WantsFlows: spec.WantsFlows, Forwards: spec.Forwards,
	}, nil
}

// Info describes the handler.
func (d *Declared[M]) Info() Info { return d.info }

// NewBase returns the Base of a new shard.
func (d *Declared[M]) NewBase() Base[M] {
	b := newBase(d.schema, d.info, d.deepSample)
	b.Shown = d.anonymize.NewCache()
	return b
}

// Bound sets a function that is called after each merge of metrics; see [metric.Schema.Bound]. Call
// it before the handler is used.
func (d *Declared[M]) Bound(f func(*M)) { d.schema.Bound(f) }
