// Package suffix knows which endings of names are public: what a name is cut behind, so that
// "a.b.example.co.uk" is aggregated to "example.co.uk".
//
//	two, three := dnsmsg.Aggregate(name, suffix.Len(name))
package suffix

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Len returns the length to hand to dnsmsg.Aggregate: that of name's public suffix and the dot
// before it, or 0 if the suffix is a single label, where the plain rule serves. Name is in lower
// case, without the final dot.
//
// Suffixes are those of the ICANN section of the public suffix list (https://publicsuffix.org), as
// golang.org/x/net/publicsuffix has it. The reference compares wildcards and exceptions literally,
// so that they never match, and overlooks long suffixes that stand behind shorter ones in its list;
// here the list's own rules hold. It allocates one string.
func Len(name []byte) int {
	text := string(name)
	suffix, icann := publicsuffix.PublicSuffix(text)
	// of the private section: the ICANN suffix is above it
	for !icann && strings.Contains(suffix, ".") {
		_, rest, _ := strings.Cut(suffix, ".")
		suffix, icann = publicsuffix.PublicSuffix(rest)
	}
	if !strings.Contains(suffix, ".") {
		return 0
	}
	return len(suffix) + 1
}
