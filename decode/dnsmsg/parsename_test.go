package dnsmsg_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/dnsmsg"
)

// TestParseName reads texts that stand for the same name, and texts that stand for none.
func TestParseName(t *testing.T) {
	long := strings.Repeat("x", 63)
	for text, want := range map[string]string{
		".": "", "": "", "com": "com", "COM.": "com", "Www.Example.COM.": "www.example.com", `\119ww.example.com`: "www.example.com",
		`a\..b`: `a\..b`, `a\046.b.`: `a\..b`, `x\092\y`: `x\\y`, `a b.\000`: `a\032b.\000`, `\065.b\.`: `a.b\.`, `b\..`: `b\.`,
		long + "." + long: long + "." + long, strings.Repeat(`\001`, 63): strings.Repeat(`\001`, 63),
	} {
		name, err := dnsmsg.ParseName(text)
		require.NoError(t, err, text)
		require.Equal(t, want, name.String(), text)
		again, err := dnsmsg.ParseName(name.String())
		require.NoError(t, err, text)
		require.Equal(t, name.Key(), again.Key(), text)
	}
	four := strings.Repeat(long+".", 4)
	for text, want := range map[string]string{
		"..": "1 to 63", ".a": "1 to 63", "a..b": "1 to 63", "a..": "1 to 63", long + "x": "1 to 63", four: "1 to 63",
		strings.Repeat(`\001`, 64): "1 to 63", `a\`: "backslash", `\25`: "backslash", `\256`: "backslash", "münchen.de": "xn--", `\é`: "backslash",
	} {
		_, err := dnsmsg.ParseName(text)
		require.ErrorContains(t, err, want, text)
	}
	_, err := dnsmsg.ParseName(four[:len(four)-3])
	require.NoError(t, err, "255 bytes on the wire")
}

func TestUnder(t *testing.T) {
	for name, domains := range map[string]map[string]bool{
		"www.example.com":  {".": true, "com": true, "example.com": true, "www.example.com": true, "xample.com": false, "a.www.example.com": false},
		`foo\.example.com`: {"com": true, "example.com": false, `foo\.example.com`: true},
		`\003com`:          {"com": false},
		".":                {".": true, "com": false},
	} {
		for domain, want := range domains {
			n, err := dnsmsg.ParseName(name)
			require.NoError(t, err)
			d, err := dnsmsg.ParseName(domain)
			require.NoError(t, err)
			require.Equal(t, want, n.Under(d), "%s below %s", name, domain)
		}
	}
}
