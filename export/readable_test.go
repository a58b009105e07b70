package export_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/export"
)

func TestReadable(t *testing.T) {
	for name, want := range map[string]string{
		"www.example.com":               "www.example.com",
		"xn--bcher-kva.example":         "xn--bcher-kva.example (bücher.example)",
		"XN--BCHER-KVA.example":         "XN--BCHER-KVA.example (bücher.example)",
		"xn--r8jz45g.xn--zckzah":        "xn--r8jz45g.xn--zckzah (例え.テスト)",
		"xn--e1afmkfd.xn--80akhbyknj4f": "xn--e1afmkfd.xn--80akhbyknj4f (пример.испытание)",
		// looks like another name; the A-label is next to it
		"xn--80ak6aa92e.com": "xn--80ak6aa92e.com (аррӏе.com)",

		"xn--mgbh0fb.xn--kgbechtv": "xn--mgbh0fb.xn--kgbechtv", // right to left
		"xn--4dbrk0ce":             "xn--4dbrk0ce",
		"xn--example.com":          "xn--example.com", // not punycode, or an empty label
		"xn--.com":                 "xn--.com",
		"xn--a":                    "xn--a",
		"xn--abc-":                 "xn--abc-",
		"xn--ls8h.la":              "xn--ls8h.la",        // a pictogram, not valid in IDNA 2008
		"xn--ab-j1t.example":       "xn--ab-j1t.example", // a zero-width joiner
		// not the canonical A-label of its meaning
		"xn--a-ecp.ru":   "xn--a-ecp.ru",
		"_xn--bcher-kva": "_xn--bcher-kva", // not an A-label
		// control characters, including those for direction
		"a\x1b[2Jb\u202ec":  "a\ufffd[2Jb\ufffdc",
		"xn--bcher-kva\x07": "xn--bcher-kva\ufffd",
	} {
		require.Equal(t, want, export.Readable(name), name)
	}
}

func FuzzReadable(f *testing.F) {
	f.Add("xn--bcher-kva.example")
	f.Add("\x1b[2J\u202e")
	f.Fuzz(func(t *testing.T, name string) {
		for _, r := range export.Readable(name) {
			require.True(t, r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) && (r < 0x200b || r > 0x200f) && (r < 0x202a || r > 0x202e) && (r < 0x2066 || r > 0x2069), "%q", r)
		}
	})
}
