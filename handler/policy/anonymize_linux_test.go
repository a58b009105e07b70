package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/anonymize"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// TestAnonymizeErrors: wrong keys of the section prevent a start, unlike other keys without effect.
func TestAnonymizeErrors(t *testing.T) {
	const of, end = "invalid anonymize for policy 'all': ", " (line 12, column 19)"
	for section, want := range map[string]string{
		"{v4: 33}":                  of + "v4 must be from 1 to 32 but is 33 (line 12, column 19)",
		"{v4: 0}":                   of + "v4 must be from 1 to 32 but is 0 (line 12, column 19)",
		"{client_subnet_v6: 129}":   of + "client_subnet_v6 must be from 1 to 128 but is 129 (line 12, column 19)",
		"{v4: all}":                 of + "wrong type for key: v4 (line 12, column 19)",
		"{ipv4: 24}":                of + "ipv4 is an invalid/unsupported config or filter. The valid configs/filters are: v4, v6, client_subnet_v4, client_subnet_v6, key_file" + end,
		"{v4: 24, key_file: x.key}": of + "anonymize: lengths of prefixes have no meaning with a key, which encrypts addresses (line 12, column 18)",
		"24":                        "anonymize is not a map (line 12, column 18)",
		"":                          "anonymize is not a map (line 12, column 17)",
	} {
		text := strings.Replace(good, "    all:\n", "    all:\n      anonymize: "+section+"\n", 1)
		require.ErrorContains(t, refusal(builtin.Catalog().Parse([]byte(text))), want)
	}
	misspelt := strings.Replace(good, "    all:\n", "    all:\n      anonymise: {}\n", 1)
	require.ErrorContains(t, refusal(builtin.Catalog().Parse([]byte(misspelt))), "(line 12, column 7); did you mean 'anonymize'?")
	tap := strings.Replace(good, "    wired:\n", "    wired:\n      anonymize: {v6: 0}\n", 1)
	_, err := builtin.Catalog().Parse([]byte(tap))
	require.EqualError(t, err, "invalid anonymize for tap 'wired': v6 must be from 1 to 128 but is 0 (line 5, column 19)")
}

// TestAnonymizeTap: the section of a tap applies to all policies on it, whatever theirs is.
func TestAnonymizeTap(t *testing.T) {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	tap := fileTap(savePcap(t, t.TempDir(), "a.pcap", packets(10)), false)
	tap.Anonymize = &anonymize.Config{IPv4: 16}
	require.NoError(t, m.AddTap(tap))
	p := counting("a")
	p.Anonymize = &anonymize.Config{IPv4: 32}
	r, err := m.AddPolicy(p)
	require.NoError(t, err)
	require.Equal(t, "/16 and /48, client subnets /16 and /48", r.Parts[0].Anonymize.String())
}

// TestAnonymizeKeyFile: the API names key files only below a directory, and errors do not quote a
// file.
func TestAnonymizeKeyFile(t *testing.T) {
	inside, outside := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	digits := strings.Repeat("5a", 32)
	good, secret, shadow := write(inside, "good.key", digits+"\n"), write(outside, "secret.key", digits), write(inside, "shadow", "root:$y$j9T$secret")
	capture := savePcap(t, inside, "a.pcap", packets(10))
	root, err := os.OpenRoot(inside)
	require.NoError(t, err)
	defer root.Close()
	for _, tt := range []struct {
		posted     bool
		root       *os.Root
		path, want string
	}{
		{false, nil, good, ""},
		{false, nil, secret, ""},
		{false, nil, shadow, "a key of Crypto-PAn has 64 hexadecimal digits"},
		{false, nil, inside, "only regular files are read"},
		{true, nil, good, "--api-files DIR"},
		{true, root, good, ""},
		{true, root, "good.key", ""},
		{true, root, secret, "is not below"},
		{true, root, shadow, "a key of Crypto-PAn has 64 hexadecimal digits"},
	} {
		m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), APIFiles: tt.root})
		require.NoError(t, m.AddTap(fileTap(capture, false)))
		p := counting("a")
		p.Posted, p.Anonymize = tt.posted, &anonymize.Config{KeyFile: tt.path}
		_, err := m.AddPolicy(p)
		if tt.want == "" {
			require.NoError(t, err, tt.path)
		} else {
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "y$j9T")
		}
		require.NoError(t, m.Close())
	}
}
