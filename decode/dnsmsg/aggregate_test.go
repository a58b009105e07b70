package dnsmsg_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
	"visor/decode/dnsmsg/suffix"
)

func TestAggregate(t *testing.T) {
	for _, tt := range []struct {
		name       string
		suffix     int
		two, three string
	}{
		{"biz.foo.bar.com", 0, ".bar.com", ".foo.bar.com"},
		{"a.com", 0, "a.com", ""},
		{"abcdefg.com.", 0, "abcdefg.com.", ""},
		{"foo.bar.com", 0, ".bar.com", "foo.bar.com"},
		{"", 0, "", ""},
		{".", 0, ".", ""},
		{"..", 0, "..", ""},
		{"a", 0, "a", ""},
		{"a.", 0, "a.", ""},
		{"foo.bar.com.", 0, ".bar.com.", "foo.bar.com."},
		{".foo.bar.com", 0, ".bar.com", ".foo.bar.com"},
		{"a.b.c", 0, ".b.c", "a.b.c"},
		{".b.c", 0, ".b.c", ""},
		{"biz.foo.bar.com", 8, ".foo.bar.com", "biz.foo.bar.com"},
		{"biz.foo.bar.com", 7, ".foo.bar.com", "biz.foo.bar.com"},
		{"biz.foo.bar.com", 11, "biz.foo.bar.com", ""},
		{"foo.bar.com.", 15, ".bar.com.", "foo.bar.com."},
		{"www.google.co.uk", 6, ".google.co.uk", "www.google.co.uk"},
		{"www.google.co.uk", 12, "www.google.co.uk", ""},
		{`www.a\.b.com`, 0, `.a\.b.com`, `www.a\.b.com`},
		{`x.a\\.b.com`, 0, `.b.com`, `.a\\.b.com`},
	} {
		two, three := dnsmsg.Aggregate([]byte(tt.name), tt.suffix)
		require.Equal(t, tt.two, string(two), "two of %q, suffix %d", tt.name, tt.suffix)
		require.Equal(t, tt.three, string(three), "three of %q, suffix %d", tt.name, tt.suffix)
	}
}

func TestSuffixLen(t *testing.T) {
	for name, want := range map[string]int{
		"":                 0,
		"com":              0,
		"example.com":      0,
		"www.google.co.uk": len(".co.uk"),
		"a.b.gov.uk":       len(".gov.uk"),
		// behind ac.at in pktvisor's list, which overlooks it
		"x.sth.ac.at":             len(".sth.ac.at"),
		"a.b.ck":                  len(".b.ck"), // *.ck is a wildcard
		"www.ck":                  0,            // and this its exception
		"foo.blogspot.com":        0,            // private section
		"example.nosuchtld":       0,
		"a.compute.amazonaws.com": 0,
	} {
		require.Equal(t, want, suffix.Len([]byte(name)), name)
	}
}
