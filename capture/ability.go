package capture

import "visor/decode"

// Stabler is an ability of sources whose frames may outlive their batch. Ask for it by a type
// assertion, or by [IsStable].
type Stabler interface {
	// Stable reports whether frames stay valid until Close, not only until the next ReadBatch:
	// so of files that are mapped into memory. The answer does not change in a source's life.
	Stable() bool
}

// Progresser is an ability of sources that know how far they are.
type Progresser interface {
	// Progress returns how many bytes of input were read, and how many there are; total is 0 if
	// that is not known. It is safe for concurrent use with every other method.
	Progress() (done, total int64)
}

// DropCounter is an ability of sources that can lose frames.
type DropCounter interface {
	// Drops returns the number of frames lost since the source was opened: frames that it was
	// offered and never gave. It is safe for concurrent use with every other method.
	Drops() uint64
}

// FilterCounter is implemented by sources that leave out frames which pass no filter. What a filter
// in the kernel leaves out is not counted: nothing is known of it.
type FilterCounter interface {
	// Filtered returns the number of frames left out since the source was opened. It is safe for
	// concurrent use with every other method.
	Filtered() uint64
}

// Owner is an ability of live sources: they know which addresses are those of this host. They set
// the Dir of a frame where the system says that it was sent by this host or to it; elsewhere
// addresses decide.
type Owner interface {
	// Own returns the addresses of this host as they are now. It is cheap, and safe for concurrent
	// use with every other method.
	Own() *decode.HostNets
}

// OwnOf returns the Own of src, or nil if it does not know; see [Owner].
func OwnOf(src Source) *decode.HostNets {
	if o, ok := src.(Owner); ok {
		return o.Own()
	}
	return nil
}

// IsStable reports whether frames of src stay valid until its Close; see [Stabler].
func IsStable(src Source) bool {
	s, ok := src.(Stabler)
	return ok && s.Stable()
}

// ProgressOf returns the Progress of src, or 0, 0 if it does not know; see [Progresser].
func ProgressOf(src Source) (done, total int64) {
	if p, ok := src.(Progresser); ok {
		return p.Progress()
	}
	return 0, 0
}

// DropsOf returns the Drops of src, or 0 if it does not count them; see [DropCounter].
func DropsOf(src Source) uint64 {
	if d, ok := src.(DropCounter); ok {
		return d.Drops()
	}
	return 0
}

// FilteredOf returns the Filtered of src, or 0 if it has no filter; see [FilterCounter].
func FilteredOf(src Source) uint64 {
	if f, ok := src.(FilterCounter); ok {
		return f.Filtered()
	}
	return 0
}

// Reason counts input that was not analysed, and why. The text names the cause and, where it helps,
// the sender: "unknown link type 285", "TLS on a plain socket, from 192.0.2.1".
type Reason struct {
	Text  string `json:"text"`
	Count uint64 `json:"count"`
}

// Reasoner is implemented by sources that can say why they left out input.
type Reasoner interface {
	// Reasons returns the reasons since the source was opened: a bounded number, in no particular
	// order. The slice belongs to the caller. Reasons is safe for concurrent use with every other
	// method.
	Reasons() []Reason
}

// ReasonsOf returns the Reasons of src, or nil if it has none; see [Reasoner].
func ReasonsOf(src Source) []Reason {
	if r, ok := src.(Reasoner); ok {
		return r.Reasons()
	}
	return nil
}
