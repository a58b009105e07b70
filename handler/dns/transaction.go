package dns

import (
	"time"

	"visor/decode"
	"visor/handler"
	"visor/internal/flowtable"
	"visor/internal/hash64"
)

// transactions holds the queries that wait for a reply.
type transactions struct {
	open    *flowtable.Table[query]
	timeout int64 // ns
	slowIn  int64 // µs from which an ingress transaction is slow; 0 until a period has closed
	slowOut int64
}

// query is what is remembered of a query.
type query struct {
	size uint32 // length of the message, bytes
}

func newTransactions(cfg *Config) transactions {
	t := transactions{timeout: int64(cfg.Timeout)}
	t.open = flowtable.New[query](flowtable.Config{Capacity: cfg.Transactions, TTL: cfg.Timeout})
	return t
}

// setThresholds takes the 90th percentile of the closing period as what is slow in the next. Each worker judges by the
// transactions that it has seen: waiting for the others would tie the workers together.
func (t *transactions) setThresholds(m *Metrics) {
	if m.TransIn.Count() > 0 {
		t.slowIn = int64(m.TransIn.Quantile(0.9))
	}
	if m.TransOut.Count() > 0 {
		t.slowOut = int64(m.TransOut.Quantile(0.9))
	}
}

// expire forgets the queries that have waited too long at nowNS and returns their number.
func (t *transactions) expire(nowNS int64) (n uint64) {
	t.open.Expire(nowNS, func(uint64, *query) { n++ })
	return n
}

// transactionKey returns what a query and its reply have in common: the two ends and the ID.
func transactionKey(m *handler.Message) uint64 { return hash64.Uint64(m.Flow + uint64(m.Msg.ID())) }

// take takes the query of a reply, and returns how long it waited, in ns or unknownTime.
func (s *shard) take(m *handler.Message) (q query, took int64, ok bool) {
	if m.DNSTap == nil {
		q, start, ok := s.trans.open.Take(transactionKey(m))
		return q, apart(start, m.TimeNS), ok
	}
	q, start, met := takeQuery(s.trans.open, m)
	if !met {
		q.size = uint32(len(m.DNSTap.Query))
	}
	took, ok = s.taps.duration(m, start, met, s.trans.timeout)
	return q, took, ok
}

// transaction opens a transaction if m is a query, and ends one if it is a reply.
func (s *shard) transaction(m *handler.Message, deep bool) {
	if !m.Response() {
		s.trans.open.Put(queryKey(m), m.TimeNS).size = uint32(len(m.Msg))
		return
	}
	q, took, ok := s.take(m)
	if !ok {
		return
	}
	if took >= s.trans.timeout {
		s.Live.TimedOut.Add(1)
		return
	}
	s.Live.Trans.Add(1)
	us := took / int64(time.Microsecond)
	if took == unknownTime {
		us = unknownTime
	}
	switch m.Frame.Dir {
	case decode.ToHost:
		s.answered(m, us, deep, true)
	case decode.FromHost:
		s.answered(m, us, deep, false)
	}
	if deep && s.groups.Has(groupQuantiles) && q.size > 0 && len(m.Msg) > 0 {
		s.Live.Ratio.Add(float64(len(m.Msg)) / float64(q.size))
	}
}

// answered counts a transaction of known direction that took us microseconds, or unknownTime.
func (s *shard) answered(m *handler.Message, us int64, deep, out bool) {
	b := s.Live
	total, times, hist, slow, from := &b.TransInTotal, &b.TransIn, &b.HistIn, &b.SlowIn, s.trans.slowIn
	if out {
		total, times, hist, slow, from = &b.TransOutTotal, &b.TransOut, &b.HistOut, &b.SlowOut, s.trans.slowOut
	}
	total.Add(1)
	if !deep || us == unknownTime {
		return
	}
	if s.groups.Has(groupQuantiles) {
		times.Add(float64(us))
	}
	if s.groups.Has(groupHistograms) {
		hist.Add(uint64(us))
	}
	if from > 0 && us >= from && m.Named {
		s.addSlow(slow, m)
	}
}

// addSlow counts the name as it was written: 0x20 randomisation is of interest where answers are slow.
func (s *shard) addSlow(slow *handler.TopNames, m *handler.Message) {
	s.text, _, _ = m.Msg.AppendQuestionExact(s.text[:0])
	slow.Add(hash64.Sum(s.text), s.text, 1)
}
