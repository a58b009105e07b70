// Package suffix finds the public suffix of a name, so that "a.b.example.co.uk" is aggregated to
// "example.co.uk".
//
//	two, three := dnsmsg.Aggregate(name, suffix.Len(name))
package suffix

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Len returns the length for dnsmsg.Aggregate: the length of name's public suffix and the dot
// before it. It returns 0 if the suffix is a single label, where the plain rule is sufficient. name
// is in lower case, without the final dot.
//
// The suffixes are the ICANN section of the public suffix list (https://publicsuffix.org), as in
// golang.org/x/net/publicsuffix. Unlike pktvisor, Len follows the list's rules. pktvisor compares
// wildcards and exceptions literally, so that they never match, and misses long suffixes that
// follow shorter ones in its list. Len allocates one string.
func Len(name []byte) int {
	text := string(name)
	suffix, icann := publicsuffix.PublicSuffix(text)
	// private section: the ICANN suffix is above it
	for !icann && strings.Contains(suffix, ".") {
		_, rest, _ := strings.Cut(suffix, ".")
		suffix, icann = publicsuffix.PublicSuffix(rest)
	}
	if !strings.Contains(suffix, ".") {
		return 0
	}
	return len(suffix) + 1
}
