package sketch

// Budget is memory, in bytes, that sketches share. A sketch that grows asks for it first; one that
// may not grow gets along with what it has. A Budget is owned by one goroutine. The nil Budget
// never ends.
type Budget struct {
	Max  int
	Used int // it may be more than Max, by what cannot be refused
}

// slack is how many times what it asks for has to be left, so that small sketches can go on to grow
// when large ones cannot.
const slack = 32

// take uses n bytes, or returns false if there is too little left.
func (b *Budget) take(n int) bool {
	if b == nil {
		return true
	}
	if b.Max-b.Used < slack*n {
		return false
	}
	b.Used += n
	return true
}

// use uses n bytes, whether there is room or not.
func (b *Budget) use(n int) {
	if b != nil {
		b.Used += n
	}
}
