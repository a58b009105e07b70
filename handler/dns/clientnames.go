package dns

import (
	"encoding/binary"

	"visor/sketch/hash64"
)

// clientNames counts the pairs of clients and names. A pair that came recently is not added again:
// the lists count distinct pairs, and a pair that they have seen never changes them.
type clientNames struct {
	to     *Clients
	hash   *hash64.Hasher
	mask   *mask
	recent [1 << pairBits]uint64 // hashes of pairs; 0 is none
	text   [16]byte              // scratch
}

const pairBits = 12 // log2 of the recent pairs: 32 KiB

// add counts a query of a client with the hash h. key is the key of its name or of the last labels,
// and keyHash the hash of key. The whole name has the other hash.
func (t *clientNames) add(client address, h uint64, key []byte, keyHash, hash uint64) {
	pair := hash64.Mix(h ^ hash<<1 ^ hash>>63)
	if last := &t.recent[pair>>(64-pairBits)]; *last != pair {
		*last = pair
		shown, shownHash := client, h
		if t.mask.by != nil {
			shown = t.mask.replaceAddress(client)
			shownHash = shown.sum(t.hash)
		}
		name, nameHash := t.mask.name(key, keyHash)
		binary.BigEndian.PutUint64(t.text[:], shown.high)
		binary.BigEndian.PutUint64(t.text[8:], shown.low)
		// the key's hash is of what is shown, and the hash of what counts as distinct is not
		t.to.NamesByClients.Add(nameHash, name, h, &t.text)
		t.to.ClientsByNames.Add(hash, name, shownHash, &t.text)
	}
}

// shift begins a period, whose lists are empty.
func (t *clientNames) shift(to *Clients) {
	t.to = to
	clear(t.recent[:])
}
