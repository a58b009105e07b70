package metric

import (
	"fmt"
	"net/netip"
	"slices"

	"visor/sketch"
)

// TopDistinctClients is a list of names with the most distinct clients, or after a call of ByClient
// of clients with the most distinct names. The estimate of an item is the number of distinct
// clients or names, and its samples are some of them. Lists whose keys have different hashes do not
// merge: the sum is empty.
//
// It is owned by one goroutine. The zero TopDistinctClients is a list of names.
type TopDistinctClients struct {
	list     sketch.TopDistinct
	byClient bool
}

var _ cutter = (*TopDistinctClients)(nil)

// ByClient makes an empty t a list of clients.
func (t *TopDistinctClients) ByClient() { t.byClient = true }

// Add counts a query of a client for a name, with the hash of both. The name is the key of a whole
// [dnsmsg.Name], and the client is an IPv6 address, or an IPv4 address mapped to one.
func (t *TopDistinctClients) Add(nameHash uint64, name []byte, clientHash uint64, client *[16]byte) {
	if t.byClient {
		t.list.Add(clientHash, client[:], nameHash, name, 1)
	} else {
		t.list.Add(nameHash, name, clientHash, client[:], 1)
	}
}

// Items returns the n entries with the most distinct clients or names.
func (t *TopDistinctClients) Items(n int) (out []Item) {
	key, sample := nameText, clientText
	if t.byClient {
		key, sample = clientText, nameText
	}
	for _, d := range t.list.Top(n) {
		item := Item{Name: key(d.Key), Estimate: d.Count, Lower: d.Count, Weight: d.Weight}
		for _, s := range d.Samples {
			item.Samples = appendSample(item.Samples, sample(s))
		}
		out = append(out, item)
	}
	return out
}

// appendSample appends a sample that the list lacks. Samples that were anonymized may look alike.
func appendSample(samples []string, one string) []string {
	if slices.Contains(samples, one) {
		return samples
	}
	return append(samples, one)
}

func clientText(key []byte) string {
	addr, _ := netip.AddrFromSlice(key)
	return addr.Unmap().String()
}

// Refused returns [sketch.TopDistinct.Refused].
func (t *TopDistinctClients) Refused() uint64 { return t.list.Refused() }

// Size returns the memory of the list in bytes.
func (t *TopDistinctClients) Size() int { return t.list.Size() }

// Reset empties the list and keeps its memory.
func (t *TopDistinctClients) Reset() { t.list.Reset() }

func (t *TopDistinctClients) mergeFrom(src state) { t.list.Merge(&src.(*TopDistinctClients).list) }
func (t *TopDistinctClients) mergeKeys(state)     { t.list.Reset() }
func (t *TopDistinctClients) copyFrom(src state) {
	from := src.(*TopDistinctClients)
	t.byClient = from.byClient
	t.list.CopyFrom(&from.list)
}

func (t *TopDistinctClients) render(v *Value, r Rendering) {
	total := uint64(0)
	for _, d := range t.list.Top(t.list.Len()) {
		total += d.Count
	}
	renderTop(v, r, total, t.list.Cut(), t.Items(r.TopN))
	v.Distinct = true
}

func (t *TopDistinctClients) wireKind() wireKind { return wireDistinctClients }
func (t *TopDistinctClients) size() int          { return t.list.Size() }

func (t *TopDistinctClients) append(dst []byte) []byte { return t.appendHead(dst, 0) }

func (t *TopDistinctClients) appendHead(dst []byte, n int) []byte {
	kind := byte(0)
	if t.byClient {
		kind = 1
	}
	return t.list.AppendHead(append(dst, kind), n)
}

func (t *TopDistinctClients) read(data []byte) error {
	if len(data) == 0 || data[0] > 1 {
		return fmt.Errorf("a list of distinct clients of an unknown form")
	}
	t.byClient = data[0] == 1
	return t.list.UnmarshalBinary(data[1:])
}
