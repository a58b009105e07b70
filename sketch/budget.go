package sketch

// Budget is memory, in bytes, that sketches share. A sketch requests memory before it grows; if the
// request fails, it works with the memory it has. A Budget is owned by one goroutine. The nil
// Budget is unlimited.
type Budget struct {
	Max  int
	Used int // may exceed Max, by requests that cannot fail
}

// slack is a factor: a request of n bytes needs slack·n free bytes. So small sketches can still
// grow when large ones cannot.
const slack = 32

// take uses n bytes, or returns false if too little is left.
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

// use uses n bytes, even above the limit.
func (b *Budget) use(n int) {
	if b != nil {
		b.Used += n
	}
}
