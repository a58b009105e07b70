// Package mmdbtest makes small MaxMind databases for tests (https://maxmind.github.io/MaxMind-DB/).
//
//	raw := mmdbtest.Build("Test-ASN", map[string]mmdbtest.Record{
//		"192.0.2.0/24": {"autonomous_system_number": uint32(64500)},
//	})
package mmdbtest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Record is a database's entry for a network. Values are string, float64, uint16, uint32, uint64,
// Record or []Record.
type Record map[string]any

const (
	recordBits = 24
	separator  = 16 // zero bytes between the tree and the data
	metadata   = "\xAB\xCD\xEFMaxMind.com"
)

// node is a node of the search tree. For each bit it has the number of the next node, or the
// negative 1-based number of the record.
type node [2]int

// Write writes the result of [Build] into a folder of the test.
func Write(tb testing.TB, databaseType string, networks map[string]Record) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), databaseType+".mmdb")
	if err := os.WriteFile(path, Build(databaseType, networks), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Build returns a database of that type with a record for each network, in CIDR form. Networks must
// not overlap. It panics on invalid input.
func Build(databaseType string, networks map[string]Record) []byte {
	nodes := []node{{}}
	var records []Record
	for _, cidr := range slices.Sorted(maps.Keys(networks)) {
		records = append(records, networks[cidr])
		nodes = insert(nodes, netip.MustParsePrefix(cidr), -len(records))
	}
	var data []byte
	offsets := make([]int, len(records))
	for i, r := range records {
		offsets[i] = len(data)
		data = appendValue(data, r)
	}
	var out []byte
	for _, n := range nodes {
		for _, to := range n {
			switch {
			case to < 0:
				to = len(nodes) + separator + offsets[-to-1]
			case to == 0:
				to = len(nodes)
			}
			out = append(out, byte(to>>16), byte(to>>8), byte(to))
		}
	}
	out = append(append(out, make([]byte, separator)...), data...)
	return appendValue(append(out, metadata...), Record{
		"node_count":                  uint32(len(nodes)),
		"record_size":                 uint16(recordBits),
		"ip_version":                  uint16(6),
		"database_type":               databaseType,
		"binary_format_major_version": uint16(2),
		"binary_format_minor_version": uint16(0),
		"build_epoch":                 uint64(1_767_225_600),
	})
}

// insert maps the addresses of a network to leaf. IPv4 is at ::/96.
func insert(nodes []node, network netip.Prefix, leaf int) []node {
	addr, bits := network.Addr().As16(), network.Bits()
	if network.Addr().Is4() {
		clear(addr[:12])
		bits += 96
	}
	at := 0
	for i := range bits {
		side := addr[i/8] >> (7 - i%8) & 1
		if i == bits-1 {
			nodes[at][side] = leaf
			break
		}
		if nodes[at][side] == 0 {
			nodes = append(nodes, node{})
			nodes[at][side] = len(nodes) - 1
		}
		at = nodes[at][side]
	}
	return nodes
}

// Types of values in the data section.
const (
	typeString = 2
	typeDouble = 3
	typeUint16 = 5
	typeUint32 = 6
	typeMap    = 7
	typeUint64 = 9
	typeArray  = 11
)

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(appendControl(dst, typeString, len(v)), v...)
	case float64:
		return binary.BigEndian.AppendUint64(appendControl(dst, typeDouble, 8), math.Float64bits(v))
	case uint16:
		return binary.BigEndian.AppendUint16(appendControl(dst, typeUint16, 2), v)
	case uint32:
		return binary.BigEndian.AppendUint32(appendControl(dst, typeUint32, 4), v)
	case uint64:
		return binary.BigEndian.AppendUint64(appendControl(dst, typeUint64, 8), v)
	case Record:
		dst = appendControl(dst, typeMap, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			dst = appendValue(appendValue(dst, key), v[key])
		}
		return dst
	case []Record:
		dst = appendControl(dst, typeArray, len(v))
		for _, r := range v {
			dst = appendValue(dst, r)
		}
		return dst
	}
	panic(fmt.Sprintf("mmdbtest: no encoding for %T", v))
}

// appendControl appends the type and the size of a value. Types above 7 have an extra byte, and so
// have sizes from 29 on.
func appendControl(dst []byte, typ, size int) []byte {
	short := min(size, 29)
	if typ > typeMap {
		dst = append(dst, byte(short), byte(typ-typeMap))
	} else {
		dst = append(dst, byte(typ<<5|short))
	}
	if short == 29 {
		dst = append(dst, byte(size-29))
	}
	return dst
}
