package handler

import "visor/sketch"

// Events counts the events of a shard by outcome. [Base.Flush] adds them to the account, and to the
// metrics if these embed [EventCounts] or [PassedCounts]. Shards accumulate the events of a second,
// because most packets of a batch share one.
//
// Process counts each event in Offered, and then once in Filtered, Undecodable or Deep. An event in
// none of these passed, but Sampler.Deep left it out:
//
//	s.Enter(p.TimeNS) // needed for EventCounts and PassedCounts, which have rates
//	s.Events.Offered++
//	if !s.Sampler.Deep() {
//		continue
//	}
//	s.Events.Deep++
type Events struct {
	Offered     uint64 // all events
	Filtered    uint64 // events that did not pass a filter
	Undecodable uint64 // events that could not be understood
	Deep        uint64 // events that passed and were sampled deeply
	DeepLost    uint64 // events that were sampled deeply but did not pass
	// Inputs that were rejected before they became events. Only the account counts them.
	Ignored, Unread uint64

	second second
}

// In reports whether tsNS is in the second of e.
func (e *Events) In(tsNS int64) bool { return e.second.has(tsNS) }

// Begin sets the second of e to the one of tsNS. Events of another second must have been flushed.
func (e *Events) Begin(tsNS int64) { e.second = secondOf(tsNS) }

// Unix returns the second of e, since 1970.
func (e *Events) Unix() int64 { return e.second.Unix() }

// Passed returns the number of events that passed all filters.
func (e *Events) Passed() uint64 { return e.Offered - e.Filtered - e.Undecodable }

// addTo adds e to the metrics that m, a pointer to a struct of metrics, embeds.
func (e *Events) addTo(m any) {
	if c, ok := m.(eventCounter); ok {
		c.addEvents(e)
	}
	if c, ok := m.(passedCounter); ok {
		c.addPassed(e)
	}
}

// account returns the outcomes of e.
func (e *Events) account() Account {
	return Account{
		Offered:     e.Offered + e.Ignored + e.Unread,
		Analysed:    e.Deep,
		Filtered:    e.Filtered + e.Ignored,
		NotSampled:  e.Passed() - e.Deep,
		Undecodable: e.Undecodable + e.Unread,
	}
}

// EventCounts are the metrics of a handler's events before and after its filters. A struct of
// metrics embeds them, and [Base.Flush] counts them. Their names differ between handlers, so the
// tag with sets the words events, deep, rate, filtered, and what; see [metric.Schema]. The word
// group is the metric group of Filtered, or empty.
type EventCounts struct {
	Events      sketch.Counter `metric:"{events}" total:"observed_events" help:"{what} that reached the handler, before filters"`
	DeepSamples sketch.Counter `metric:"{deep}" total:"deep_sampled_events" help:"{what} that were sampled for in-depth inspection"`
	RateEvents  sketch.Rate    `metric:"rates.{rate}" help:"{what} per second, before filters"`
	Filtered    sketch.Counter `metric:"{filtered},{group}" total:"filtered_events" help:"{what} that did not pass the filters"`
}

func (c *EventCounts) addEvents(e *Events) {
	c.Events.Add(e.Offered)
	c.DeepSamples.Add(e.Deep + e.DeepLost)
	c.RateEvents.Add(e.Unix(), e.Offered)
	c.Filtered.Add(e.Filtered)
}

// PassedCounts are the metrics of events that passed all filters. They are embedded like
// [EventCounts], with the words total, rate, what and group.
type PassedCounts struct {
	Total     sketch.Counter `metric:"{total},{group}" total:"passed_events" help:"{what} that passed the filters"`
	RateTotal sketch.Rate    `metric:"rates.{rate}" help:"{what} per second that passed the filters"`
}

func (c *PassedCounts) addPassed(e *Events) {
	if n := e.Passed(); n > 0 {
		c.Total.Add(n)
		c.RateTotal.Add(e.Unix(), n)
	}
}

// eventCounter and passedCounter are structs of metrics that embed EventCounts and PassedCounts.
type (
	eventCounter  interface{ addEvents(e *Events) }
	passedCounter interface{ addPassed(e *Events) }
)
