package findings

import (
	"slices"
	"strconv"
	"strings"
)

// form is the form of the names below a domain.
type form uint8

const (
	random   form = iota // letters and digits without a meaning, or unknown
	words                // words and short names, as in lists of usual names of hosts
	serial               // names that differ in numbers, which are close together
	walking              // names with a first label that asks for what follows a name
	proven               // random names, each with the proof that it does not exist
	complete             // complete names, to which clients add a domain from a search list
)

// formOf returns the form of a sample of names below a domain, from all distinct ones.
func formOf(domain string, samples []string, distinct float64) form {
	var fronts []string
	for _, s := range samples {
		front := strings.TrimSuffix(plain(s), "."+plain(domain))
		if front != "" && !strings.HasSuffix(front, "…") {
			fronts = append(fronts, front)
		}
	}
	switch {
	case len(fronts) < 4:
		return random
	case walks(fronts):
		return walking
	case counts(fronts, distinct):
		return serial
	case pronounced(fronts) && searched(fronts):
		return complete
	case pronounced(fronts):
		return words
	}
	return random
}

// searched reports whether most names, without the labels that all have at their end, have two
// labels or more, as complete names do.
func searched(fronts []string) bool {
	long := 0
	rest := slices.Clone(fronts)
	for cutLast(rest) {
	}
	for _, f := range rest {
		if strings.Contains(f, ".") {
			long++
		}
	}
	return long > len(rest)*3/4
}

// cutLast removes the last label of all names if all have the same one. It reports whether it did.
func cutLast(names []string) bool {
	dot := strings.LastIndexByte(names[0], '.')
	if dot < 0 {
		return false
	}
	end := names[0][dot:]
	for _, n := range names {
		if !strings.HasSuffix(n, end) {
			return false
		}
	}
	for i := range names {
		names[i] = strings.TrimSuffix(names[i], end)
	}
	return true
}

// walks reports whether most names begin with the label that follows no other in the order of a
// zone (RFC 4034, section 6.1).
func walks(fronts []string) bool {
	n := 0
	for _, f := range fronts {
		if strings.HasPrefix(f, `\000`) {
			n++
		}
	}
	return n > len(fronts)/2
}

// dense is the least share of the numbers in a range that occur in names of the form serial.
const dense = 0.02

// counts reports whether names differ only in their numbers, and whether these are dense.
func counts(fronts []string, distinct float64) bool {
	first, low := numbers(fronts[0])
	if len(low) == 0 {
		return false
	}
	high := append([]float64(nil), low...)
	for _, f := range fronts[1:] {
		text, n := numbers(f)
		if text != first {
			return false
		}
		for i, x := range n {
			low[i], high[i] = min(low[i], x), max(high[i], x)
		}
	}
	size := 1.0
	for i := range low {
		size *= high[i] - low[i] + 1
	}
	return size > 1 && distinct/size >= dense
}

// numbers returns a text with each number replaced by a 0, and the numbers.
func numbers(s string) (text string, n []float64) {
	var b strings.Builder
	for i := 0; i < len(s); {
		k := i
		for k < len(s) && s[k] >= '0' && s[k] <= '9' {
			k++
		}
		if k == i {
			b.WriteByte(s[i])
			i++
			continue
		}
		x, _ := strconv.ParseFloat(s[i:k], 64)
		n, i = append(n, x), k
		b.WriteByte('0')
	}
	return b.String(), n
}

// usualPairs are the 150 most usual pairs of letters in 70,000 English words and in 150 usual names
// of hosts: for each first letter, the second ones. Of the pairs in words, 70 to 80 % are among
// them, also in German and in French. Of pairs of random letters it is 22 %.
var usualPairs = [26]string{
	"bcdgilmnprstu", "aeilo", "aehiklortu", "aeio", "acdelmnprstx", "io", "aeir", "aeio", "acdeglmnorstvz", "", "ei", "aeilosuy", "aeiop",
	"acdegiost", "cdglmnoprstuw", "aeilopr", "", "adeiostu", "acehiopstu", "aehiorstu", "lmnrst", "ei", "aei", "", "", "",
}

// pronounced reports whether the pairs of letters in names are as in words.
func pronounced(fronts []string) bool {
	usual, all := 0, 0
	for _, f := range fronts {
		for part := range strings.FieldsFuncSeq(f, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
			part = strings.TrimRight(part, "0123456789")
			if len(part) <= 3 { // an abbreviation
				usual, all = usual+1, all+1
				continue
			}
			for i := 1; i < len(part); i++ {
				all++
				if a := part[i-1] - 'a'; a < 26 && strings.IndexByte(usualPairs[a], part[i]) >= 0 {
					usual++
				}
			}
		}
	}
	return all > 0 && float64(usual) >= leastUsual*float64(all)
}

// leastUsual is the least share of usual pairs in words. Eight random names of 8 letters exceed it
// in one of 1,000 cases; eight words are below it in fewer.
const leastUsual = 0.45
