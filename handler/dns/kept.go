package dns

// kept holds what only some waiting queries have, so that it takes no room in the others. A query
// has a reference to its value; 0 is none. The memory of an answered query is used by the next one,
// so that the memory is near.
type kept[T any] struct {
	all  []T
	free []uint32 // references that are not in use
}

// next returns a reference that is not in use, and its value, which is an old one.
func (k *kept[T]) next() (ref uint32, v *T) {
	if len(k.free) == 0 {
		k.all = append(k.all, *new(T))
		k.free = append(k.free, uint32(len(k.all)))
	}
	ref = k.free[len(k.free)-1]
	k.free = k.free[:len(k.free)-1]
	return ref, &k.all[ref-1]
}

// take returns the value of a query and frees its reference. The value is valid until next is
// called. It is nil for 0.
func (k *kept[T]) take(ref uint32) *T {
	if ref == 0 {
		return nil
	}
	k.free = append(k.free, ref)
	return &k.all[ref-1]
}
