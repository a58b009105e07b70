package golden

import (
	"fmt"
	"strings"
)

// Bounds of what a diff shows.
const (
	maxAhead = 200 // lines in which two texts that differ must agree again
	maxShown = 100 // lines
)

// diff returns the lines in which two texts differ, each with its number in the text that has it.
func diff(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		n, m := meet(a[i:], b[j:])
		for ; n > 0; n, i = n-1, i+1 {
			out = append(out, fmt.Sprintf("%5d - %s", i+1, a[i]))
		}
		for ; m > 0; m, j = m-1, j+1 {
			out = append(out, fmt.Sprintf("%5d + %s", j+1, b[j]))
		}
	}
	if more := len(out) - maxShown; more > 0 {
		out = append(out[:maxShown], fmt.Sprintf("and %d more lines", more))
	}
	return strings.Join(out, "\n")
}

// meet returns how many lines of a and of b to leave out, the fewest, for both to go on with the
// same line. If that is too far away they are all lines.
func meet(a, b []string) (n, m int) {
	for sum := 1; sum <= maxAhead; sum++ {
		for n := max(0, sum-len(b)); n <= min(sum, len(a)); n++ {
			m := sum - n
			if n < len(a) && m < len(b) && a[n] == b[m] {
				return n, m
			}
		}
	}
	return len(a), len(b)
}
