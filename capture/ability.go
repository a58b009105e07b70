package capture

import "visor/decode"

// LiveSource is an ability of sources that yield frames while they are captured. The clock closes
// periods of a live source, even without frames. A source without it is a recording: its timestamps
// are the time.
type LiveSource interface {
	// Live reports whether the source is live. The answer does not change in a source's life.
	Live() bool
}

// IsLive reports whether src is live; see [LiveSource].
func IsLive(src Source) bool {
	l, ok := src.(LiveSource)
	return ok && l.Live()
}

// stabler is implemented by sources whose frames can remain valid after the next ReadBatch.
type stabler interface {
	// Stable reports whether frames stay valid until Close, as frames of memory-mapped files do.
	// The answer does not change during the life of a source.
	Stable() bool
}

// progresser is implemented by sources that can report how much of their input was read.
type progresser interface {
	// Progress returns the number of input bytes read and their total. The total is 0 if it is
	// unknown. Progress is safe for concurrent use with every other method.
	Progress() (done, total int64)
}

// DropCounter is implemented by sources that can lose frames.
type DropCounter interface {
	// Drops returns the number of frames lost since the source was opened. A lost frame was offered
	// to the source and never delivered by ReadBatch. Drops is safe for concurrent use with every
	// other method.
	Drops() uint64
}

// FilterCounter is implemented by sources with a filter in user space. Frames rejected by a filter
// in the kernel are not counted, because the kernel does not report them.
type FilterCounter interface {
	// Filtered returns the number of frames rejected since the source was opened. It is safe for
	// concurrent use with every other method.
	Filtered() uint64
}

// Owner is implemented by live sources, which can list the addresses of this host. They also set
// the Dir of each frame that the system marks as sent or received by this host. The direction of
// other frames follows from their addresses.
type Owner interface {
	// Own returns the current addresses of this host. It is cheap, and safe for concurrent use with
	// every other method.
	Own() *decode.NetSet
}

// OwnOf returns the Own of src, or nil if src is not an [Owner].
func OwnOf(src Source) *decode.NetSet {
	if o, ok := src.(Owner); ok {
		return o.Own()
	}
	return nil
}

// IsStable reports whether frames of src stay valid until its Close, as frames of memory-mapped
// files do. A source reports it by a method Stable() bool, whose answer never changes.
func IsStable(src Source) bool {
	s, ok := src.(stabler)
	return ok && s.Stable()
}

// ProgressOf returns the number of input bytes that src has read, and their total. A source reports
// them by a method Progress() (done, total int64), which is safe for concurrent use with every
// other method. The results are 0 without it, and the total while it is unknown.
func ProgressOf(src Source) (done, total int64) {
	if p, ok := src.(progresser); ok {
		return p.Progress()
	}
	return 0, 0
}

// DropsOf returns the Drops of src, or 0 if src is not a [DropCounter].
func DropsOf(src Source) uint64 {
	if d, ok := src.(DropCounter); ok {
		return d.Drops()
	}
	return 0
}

// FilteredOf returns the Filtered of src, or 0 if src is not a [FilterCounter].
func FilteredOf(src Source) uint64 {
	if f, ok := src.(FilterCounter); ok {
		return f.Filtered()
	}
	return 0
}

// Reason counts input that was not analysed for one cause. The text names the cause and, where it
// helps, the sender: "unknown link type 285", "TLS on a plain socket, from 192.0.2.1".
type Reason struct {
	Text  string `json:"text"`
	Count uint64 `json:"count"`
	// of Count: input that waits and may still be analysed. Only this part of Count may fall
	Waiting uint64 `json:"waiting,omitempty"`
}

// Reasoner is implemented by sources that record why they left out input.
type Reasoner interface {
	// Reasons returns the reasons since the source was opened. Their number is bounded and their
	// order is undefined. The caller owns the slice. Reasons is safe for concurrent use with every
	// other method.
	Reasons() []Reason
}

// ReasonsOf returns the Reasons of src, or nil if src is not a [Reasoner].
func ReasonsOf(src Source) []Reason {
	if r, ok := src.(Reasoner); ok {
		return r.Reasons()
	}
	return nil
}
