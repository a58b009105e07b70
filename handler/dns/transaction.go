package dns

import (
	"time"

	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/handler"
	"visor/handler/metric"
	"visor/internal/flowtable"
)

// query is the state that version 1.0 keeps for a query.
type query struct {
	size uint32 // length of the message, bytes
	ends uint32 // see [ends]
}

// lost counts a query that ended without a reply.
func (s *shard) lost(q *query, why flowtable.Loss) {
	e := s.ends.take(q.ends)
	if why == flowtable.Evicted {
		s.Live.Evicted.Add(1)
		return
	}
	s.Live.TimedOut.Add(1)
	s.unanswered(e, &s.Live.Clients.Timeouts)
}

// take removes the query of a reply. It returns the query's waiting time in ns, or unknownTime.
func (s *shard) take(m *handler.Message) (q query, took int64, ok bool) {
	q, start, met := s.waiting.answer(m)
	if m.DNSTap == nil {
		return q, apart(start, m.TimeNS), met
	}
	if !met {
		q.size = uint32(len(m.DNSTap.Query))
	}
	took, ok = s.taps.duration(m, start, met, s.waiting.timeout)
	return q, took, ok
}

// transaction opens a transaction if m is a query, and ends one if it is a reply.
func (s *shard) transaction(m *handler.Message, reply, deep bool) {
	if !reply {
		if q, isNew := s.waiting.ask(m); isNew {
			q.size = uint32(len(m.Msg))
			if deep {
				q.ends = s.keepEnds(m)
			}
		} else {
			s.Live.Retried.Add(1)
		}
		return
	}
	q, took, ok := s.take(m)
	e := s.ends.take(q.ends)
	if !ok {
		return
	}
	if took >= s.waiting.timeout {
		s.Live.TimedOut.Add(1)
		s.unanswered(e, &s.Live.Clients.Timeouts)
		return
	}
	if deep && s.own.servers != 0 {
		s.servers.reply(m, took)
	}
	s.Live.Trans.Add(1)
	us := took / int64(time.Microsecond)
	if took == unknownTime {
		us = unknownTime
	}
	switch m.Frame.Dir {
	case decode.ToHost:
		s.answered(&s.Live.Out, m, us, deep, s.levels[decode.FromHost])
	case decode.FromHost:
		s.answered(&s.Live.In, m, us, deep, s.levels[decode.ToHost])
	}
	if deep && s.groups.Has(groupQuantiles) {
		s.Live.addRatio(q.size, m.Msg)
	}
}

// answered counts a transaction of known direction. Its duration is us microseconds, or
// unknownTime. It is slow from that many microseconds on, if slow is set.
func (s *shard) answered(to *OneWay, m *handler.Message, us int64, deep bool, slow int64) {
	to.Total.Add(1)
	if !deep || us == unknownTime {
		return
	}
	if s.groups.Has(groupQuantiles) {
		to.Time.Add(float64(us))
	}
	if s.groups.Has(groupHistograms) {
		to.Hist.Add(uint64(us))
	}
	if slow > 0 && us >= slow && m.Named {
		s.addSlow(&to.Slow, m)
	}
}

// addSlow counts the name in its original case, because 0x20 randomization matters for slow
// answers.
func (s *shard) addSlow(slow *metric.TopNames, m *handler.Message) {
	s.text, _, _ = m.Msg.AppendQuestionExact(s.text[:0])
	if name, changed := s.mask.replace(m.Name.Key()); changed {
		s.text = dnsmsg.NameFromKey(name).AppendText(s.text[:0])
	}
	slow.Add(s.Hash.Sum(s.text), s.text, 1)
}
