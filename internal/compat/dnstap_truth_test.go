package compat_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/internal/sharedtest"
)

// tapTruth is the result of independent tools for a dnstap file, in the two forms of the corpus.
type tapTruth struct {
	Types     map[string]uint64 `json:"message_types"`
	Protocols map[string]uint64 `json:"socket_protocols"`
	Protocol  map[string]uint64 `json:"socket_protocol"`
	QTypes    []count           `json:"qtypes"`
	RCodes    []count           `json:"rcodes_of_responses"`
	QNames    *uint64           `json:"distinct_qnames"`
	DNS       *dnsTruth         `json:"dns"`
}

// told is visor's result for a dnstap file.
type told struct {
	types, protocols, qtypes, rcodes map[string]uint64
	names                            map[string]bool
	queries, responses               uint64
}

// TestTruthDNSTap compares visor's results for dnstap files with other tools'.
func TestTruthDNSTap(t *testing.T) {
	root := sharedtest.Dir(t, "corpus")
	for file, truth := range map[string]string{
		"dnstap/DNS-collector-dnstap.fstrm":                   "truth/dnstap/DNS-collector-dnstap.fstrm.json",
		"dnstap/bind9-correct_query_nanosec.dnstap":           "truth/dnstap/bind9-correct_query_nanosec.dnstap.json",
		"dnstap/bind9-invalid_message_type.dnstap":            "truth/dnstap/bind9-invalid_message_type.dnstap.json",
		"dnstap/bind9-large-answer.fstrm":                     "truth/dnstap/bind9-large-answer.fstrm.json",
		"pktvisor/fixture.dnstap":                             "truth/pktvisor/fixture.dnstap.json",
		"extra/dnstap/bind9-query_time_nanosec_big.dnstap":    "extra/truth/dnstap/bind9-query_time_nanosec_big.dnstap.json",
		"extra/dnstap/bind9-response_time_nanosec_big.dnstap": "extra/truth/dnstap/bind9-response_time_nanosec_big.dnstap.json",
		"extra/dnstap/dsc-dotdoh.dnstap":                      "extra/truth/dnstap/dsc-dotdoh.dnstap.json",
		"extra/dnstap/dsc-test.dnstap":                        "extra/truth/dnstap/dsc-test.dnstap.json",
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(root, truth))
			require.NoError(t, err)
			var want tapTruth
			require.NoError(t, json.Unmarshal(raw, &want))
			if want.DNS == nil {
				want.DNS = &dnsTruth{QTypes: want.QTypes, RCodes: want.RCodes, QNames: *want.QNames}
				want.Protocols = want.Protocol
			}
			got := readTap(t, filepath.Join(root, file))
			require.Equal(t, want.Types, got.types)
			require.Equal(t, want.Protocols, got.protocols)
			require.Equal(t, tops(want.DNS.QTypes), got.qtypes)
			require.Equal(t, tops(want.DNS.RCodes), got.rcodes)
			require.Len(t, got.names, int(want.DNS.QNames))
			if want.DNS.Messages > 0 {
				require.Equal(t, [2]uint64{want.DNS.Queries, want.DNS.Responses}, [2]uint64{got.queries, got.responses})
			}
		})
	}
}

func readTap(t *testing.T, path string) *told {
	seen := &told{
		types: make(map[string]uint64), protocols: make(map[string]uint64), qtypes: make(map[string]uint64),
		rcodes: make(map[string]uint64), names: make(map[string]bool),
	}
	src, err := dnstap.Open(path)
	if err != nil { // a message alone, without Frame Streams around it
		frame, err := os.ReadFile(path)
		require.NoError(t, err)
		seen.add(t, frame)
		return seen
	}
	defer src.Close()
	var b capture.Batch
	for src.ReadBatch(&b) == nil {
		for _, f := range b.Frames {
			seen.add(t, f.Data)
		}
	}
	return seen
}

func (s *told) add(t *testing.T, frame []byte) {
	var m dnstapmsg.Message
	require.NoError(t, dnstapmsg.Parse(frame, &m))
	switch name := strings.ToUpper(m.Type.String()); {
	case m.Type > dnstapmsg.UpdateResponse:
		s.types[strconv.Itoa(int(m.Type))]++
	case m.Type.Query():
		s.types[name+"_QUERY"]++
	default:
		s.types[name+"_RESPONSE"]++
	}
	s.protocols[[]string{"", "UDP", "TCP", "DOT", "DOH", "DNSCryptUDP", "DNSCryptTCP", "DOQ"}[m.Protocol]]++
	msg, err := dnsmsg.Parse(m.Wire())
	require.NoError(t, err)
	qname, q, err := msg.AppendQuestion(nil)
	require.NoError(t, err)
	s.qtypes[strconv.Itoa(int(q.Type))]++
	s.names[strings.ToLower(string(qname))] = true
	if !msg.Response() {
		s.queries++
		return
	}
	s.responses++
	s.rcodes[strconv.Itoa(int(msg.RCode()))]++
}
