package dnsmsg

import "bytes"

// Aggregate cuts name to its last two and three labels, like pktvisor's lists. With suffix 0 the
// last label counts as one, otherwise the last suffix bytes do. The parts borrow from name and keep
// the dot in front of them: "a.b.example.com" yields ".example.com" and ".b.example.com".
//
// A name without further labels is returned whole, without a dot in front. three is empty if two is
// all of a name with at most two labels or fewer than five bytes. Escaped dots do not separate
// labels.
func Aggregate(name []byte, suffix int) (two, three []byte) {
	if len(name) < 5 {
		return name, nil
	}
	from := len(name)
	switch {
	case suffix > 0 && len(name) > suffix:
		from = len(name) - suffix + 1
	case name[len(name)-1] == '.':
		from = len(name) - 1
	}
	first := lastDot(name[:from])
	if first <= 0 {
		return name, name
	}
	second := lastDot(name[:first])
	if second < 0 {
		return name, nil
	}
	two = name[second:]
	if second == 0 {
		return two, name
	}
	third := lastDot(name[:second])
	if third < 0 {
		return two, name
	}
	return two, name[third:]
}

// lastDot returns the index of the last dot that is not escaped, or -1.
func lastDot(b []byte) int {
	for {
		i := bytes.LastIndexByte(b, '.')
		if i < 0 || !escaped(b[:i]) {
			return i
		}
		b = b[:i]
	}
}

// escaped reports whether the character after before is escaped: an odd number of backslashes ends
// before.
func escaped(before []byte) bool {
	n := 0
	for n < len(before) && before[len(before)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// Aggregate returns the result of [Aggregate] for the text of n, as parts of n.
func (n Name) Aggregate(text []byte, suffix int) (two, three Name) {
	part := func(of []byte) Name {
		switch len(of) {
		case 0:
			return Name{}
		case len(text):
			return n
		}
		return n.Last(countDots(of))
	}
	text2, text3 := Aggregate(text, suffix)
	return part(text2), part(text3)
}

// countDots returns the number of dots that are not escaped.
func countDots(text []byte) (n int) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '.':
			n++
		}
	}
	return n
}
