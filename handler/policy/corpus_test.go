package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/sharedtest"
)

var updateDocuments = flag.Bool("update-documents", false, "rewrite testdata/documents.tsv")

// TestDocuments loads the documents that pktvisor, Orb and their documentation publish. Each
// document loads, loads with warnings, or is refused with pktvisor's text. testdata/documents.tsv
// holds the verdict and the text of each.
func TestDocuments(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(sharedtest.Dir(t, "cases", "documents"), "*.yaml"))
	require.NoError(t, err)
	const table = "testdata/documents.tsv"
	head, _, _ := strings.Cut(string(readFile(t, table)), "\n")
	got := head + "\n"
	for _, path := range paths {
		verdict, text := try(t, complete(filepath.Base(path), string(readFile(t, path))), strings.HasSuffix(path, "-policy.yaml"))
		got += filepath.Base(path) + "\t" + verdict + "\t" + text + "\n"
	}
	if *updateDocuments {
		require.NoError(t, os.WriteFile(table, []byte(got), 0o644))
	}
	require.Equal(t, string(readFile(t, table)), got)
}

func readFile(t testing.TB, path string) []byte {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// complete completes a document to a configuration. Some are templates, some only the body of a
// policy, or taps as Orb shows them.
func complete(name, text string) string {
	text = strings.ReplaceAll(text, "{name}", "name")
	switch {
	case strings.HasSuffix(name, "-taps.yaml"):
		return "visor:\n" + indent(text, "  ")
	case strings.HasSuffix(name, "-policy.yaml"):
		return "version: \"1.0\"\nvisor:\n  policies:\n    pp:\n" + indent(text, "      ")
	}
	return text
}

// try loads a document into a Manager that opens nothing. It creates the taps that a single policy
// names or selects.
func try(t testing.TB, document string, alone bool) (verdict, text string) {
	doc, err := builtin.Catalog().Parse([]byte(document))
	if err != nil {
		return "refused", err.Error()
	}
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Open: builtin.Catalog().CheckInput})
	defer m.Close()
	if alone {
		require.NoError(t, m.AddTap(tapFor(doc.Policies[0].Input)))
	}
	if err := m.Load(doc); err != nil {
		return "refused", strings.ReplaceAll(err.Error(), "\n", " | ")
	}
	var texts []string
	for _, w := range doc.Warnings {
		texts = append(texts, w.Error())
	}
	if texts != nil {
		return "warns", strings.Join(texts, " | ")
	}
	return "loads", ""
}

// tapFor is a tap that an input works with.
func tapFor(in policy.Input) policy.Tap {
	configs := map[string]policy.Options{
		"pcap": {"iface": "eth0"}, "dnstap": {"tcp": "127.0.0.1:6000"}, "flow": {"bind": "127.0.0.1", "port": uint64(2055)},
		"netprobe": {"test_type": "ping", "targets": policy.Options{"a": policy.Options{"target": "192.0.2.1"}}},
	}
	tap := policy.Tap{Name: in.Tap, InputType: in.InputType, Config: configs[in.InputType], Tags: policy.Options{}}
	if in.Selector != nil {
		tap.Name = "selected"
		for _, tag := range in.Selector.Tags {
			tap.Tags[tag.Key] = tag.Value
		}
	}
	return tap
}
