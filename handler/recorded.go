package handler

import (
	"bytes"
	"sync/atomic"
	"time"

	"visor/capture"
	"visor/decode"
)

const (
	believable = int64(time.Hour) // largest step of time that is believed at once
	witnesses  = 8                // packets that must confirm a larger step
)

// newRecorded returns the frames of a recording in periods, as described at [capture.Batch]. The
// source is spread over workers behind it, so that all workers change periods at the same frame.
//
// A period begins with the whole second of its first frame. The next one begins with the first
// frame that is at least [Config].Period later, as in pktvisor. A late frame belongs to the period
// in which it arrives.
//
// Other frames must confirm a time, so that one wrong timestamp cannot make a recording decades
// long. A step of over an hour, forward or back, is real if all of the next 8 frames, or of the
// remaining ones, agree. Otherwise the frame is a stray: it takes the time of the previous frame,
// and Reasons counts it. The very last frame is a stray too, because no frame confirms it. Frames
// wait for this decision. The first frames are compared with the others of their batch. A step back
// begins an era.
//
// newRecorded takes ownership of src.
func newRecorded(src capture.Source, length time.Duration) *recorded {
	return &recorded{src: src, length: uint64(length)}
}

type recorded struct {
	src    capture.Source
	length uint64          // of a period, in ns
	in     capture.Batch   // read while frames are held
	held   []capture.Frame // copies of frames that wait for later frames
	judged []capture.Frame // frames of periods after the current one
	err    error           // error of src, returned after the frames before it
	strays atomic.Uint64

	begun  bool
	at     int64 // latest believed time
	era    int
	start  int64 // start of the period
	latest int64 // latest time in the era
}

var (
	_ capture.DropCounter   = (*recorded)(nil)
	_ capture.FilterCounter = (*recorded)(nil)
	_ capture.Owner         = (*recorded)(nil)
	_ capture.Reasoner      = (*recorded)(nil)
)

// ReadBatch replaces the contents of b with frames of one period.
func (r *recorded) ReadBatch(b *capture.Batch) error {
	for {
		if len(r.judged) > 0 {
			b.Frames = append(b.Frames[:0], r.judged...)
			r.judged = r.judged[:0]
		} else if err := r.read(b); err != nil || b.Era != 0 {
			return err
		}
		if len(b.Frames) > 0 {
			r.cut(b)
			return nil
		}
	}
}

// read replaces the contents of b with frames that have correct times, possibly none. It sets the
// batch's period if all frames are in one.
func (r *recorded) read(b *capture.Batch) error {
	b.Reset()
	if r.err != nil {
		return r.err
	}
	if len(r.held) == 0 {
		if err := r.src.ReadBatch(b); err != nil {
			return err
		}
		if r.ongoing(b.Frames) {
			b.Epoch, b.Era = r.start, r.era
			return nil
		}
	} else {
		r.err = r.src.ReadBatch(&r.in)
		b.Frames = append(b.Frames, r.held...)
		if r.held = r.held[:0]; r.err == nil {
			b.Frames = append(b.Frames, r.in.Frames...)
		}
	}
	n := r.correct(b.Frames)
	for _, f := range b.Frames[n:] {
		f.Data = bytes.Clone(f.Data)
		r.held = append(r.held, f)
	}
	b.Frames = b.Frames[:n]
	return nil
}

// ongoing reports whether the times of all frames are in the period. This is the case for most
// batches, which need no judgement.
func (r *recorded) ongoing(frames []capture.Frame) bool {
	latest := r.latest
	for i := range frames {
		ns := frames[i].TimeNS
		if uint64(ns)-uint64(r.start) >= r.length {
			return false
		}
		latest = max(latest, ns)
	}
	r.latest, r.at = latest, max(r.at, latest)
	return r.era > 0
}

// correct corrects the times of frames and returns the number of decided frames. The others wait
// for more frames.
func (r *recorded) correct(frames []capture.Frame) int {
	if !r.begun && len(frames) > 0 {
		r.begun, r.at = true, confirmed(frames)
	}
	for i := range frames {
		f := &frames[i]
		if !early(f.TimeNS, r.at) && !early(r.at, f.TimeNS) {
			r.at = max(r.at, f.TimeNS)
			continue
		}
		agree := r.witnesses(frames[i:])
		switch {
		case agree == witnesses, r.err != nil && agree > 0 && agree == len(frames)-i-1:
			r.at = f.TimeNS
		case agree < len(frames)-i-1 || r.err != nil:
			f.TimeNS = r.at
			r.strays.Add(1)
		default:
			return i
		}
	}
	return len(frames)
}

// witnesses returns the number of consecutive frames behind the first one that agree with it.
func (r *recorded) witnesses(frames []capture.Frame) (n int) {
	jump := frames[0].TimeNS
	for _, f := range frames[1:] {
		if early(f.TimeNS, jump) || jump < r.at && !early(f.TimeNS, r.at) || n == witnesses {
			break
		}
		n++
	}
	return n
}

// early reports whether a is before b by more than the largest believed step.
func early(a, b int64) bool { return a < b && uint64(b)-uint64(a) > uint64(believable) }

// confirmed returns the first time that another frame confirms, among the first frames of the
// recording.
func confirmed(frames []capture.Frame) int64 {
	first := frames[:min(len(frames), witnesses+1)]
	for i, f := range first {
		for k, g := range first {
			if i != k && !early(f.TimeNS, g.TimeNS) && !early(g.TimeNS, f.TimeNS) {
				return f.TimeNS
			}
		}
	}
	return first[0].TimeNS
}

// cut keeps the frames of the first period in b and stores the others for later.
func (r *recorded) cut(b *capture.Batch) {
	r.enter(b.Frames[0].TimeNS)
	b.Epoch, b.Era = r.start, r.era
	n := 1
	for n < len(b.Frames) && r.goesOn(b.Frames[n].TimeNS) {
		r.latest = max(r.latest, b.Frames[n].TimeNS)
		n++
	}
	r.judged = append(r.judged, b.Frames[n:]...)
	b.Frames = b.Frames[:n]
}

// goesOn reports whether a frame is in the period.
func (r *recorded) goesOn(ns int64) bool {
	return r.era > 0 && !early(ns, r.latest) && (ns < r.start || uint64(ns)-uint64(r.start) < r.length)
}

// enter begins a period with a frame that is outside the previous one.
func (r *recorded) enter(ns int64) {
	if r.goesOn(ns) {
		r.latest = max(r.latest, ns)
		return
	}
	if r.era == 0 || ns < r.latest {
		r.era++
	}
	second := secondOf(ns)
	r.start, r.latest = second.start, ns
}

// Stable reports whether frames stay valid until Close.
func (r *recorded) Stable() bool { return capture.IsStable(r.src) }

// Progress returns the source's progress.
func (r *recorded) Progress() (done, total int64) { return capture.ProgressOf(r.src) }

// Drops returns the source's drops.
func (r *recorded) Drops() uint64 { return capture.DropsOf(r.src) }

// Filtered returns the source's count of filtered frames.
func (r *recorded) Filtered() uint64 { return capture.FilteredOf(r.src) }

// Own returns the source's own addresses.
func (r *recorded) Own() *decode.NetSet { return capture.OwnOf(r.src) }

// Reasons returns the source's reasons, and the number of times that were not believed.
func (r *recorded) Reasons() []capture.Reason {
	return appendStrays(capture.ReasonsOf(r.src), r.strays.Load())
}

func appendStrays(reasons []capture.Reason, n uint64) []capture.Reason {
	if n == 0 {
		return reasons
	}
	return append(reasons, capture.Reason{Text: "timestamp is wrong by more than an hour: the time of arrival is used", Count: n})
}

// Close closes the source.
func (r *recorded) Close() error { return r.src.Close() }
