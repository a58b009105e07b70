package attack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"visor/sketch/hash64"
)

// collisions returns the attack on a hash with a public key, [hash64.FixedKey]: all names have the
// same hash. NH multiplies the words of a block, each with a pad added. If one factor is 0, the
// other word is free: 2³² names differ only in that word.
//
// Under a secret key these names are ordinary ones.
func collisions() Kind {
	wire, free := nameOfOneHash()
	return Kind{"collisions", "hashes under the public key: all names have one hash",
		func(dst []byte, i int, rnd *rand.Rand) []byte {
			hex.Encode(wire[free:free+8], be.AppendUint32(nil, uint32(i)))
			m := query(uint16(i), 0x0100, wire)
			return packet4(dst, attacker+rnd.Uint32N(1<<10), server, protoUDP, uint16(i), 0, udp(port(i), 53, m))
		}}
}

// nameOfOneHash returns a name in wire form and the place of 8 bytes in it that do not affect its
// hash under the fixed key. The other word of their block is its negative pad. Names are hashed in
// lower case, so it skips words with capital letters.
func nameOfOneHash() (wire []byte, free int) {
	const block, word = 16, 8
	for at := block; at < 4*block; at += word {
		wire = name(string(bytes.Repeat([]byte("a"), 63)), "example")
		fixed := wire[at : at+word]
		binary.LittleEndian.PutUint64(fixed, -fixedPad(at/word))
		free = at ^ word
		if !bytes.ContainsFunc(fixed, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
			break
		}
	}
	return wire, free
}

// fixedPad returns the pad of a word in NH under the fixed key, as package hash64 expands it.
func fixedPad(word int) uint64 {
	seed := append([]byte("visor hash pads"+hash64.FixedKey), byte(word/4))
	sum := sha256.Sum256(seed)
	return binary.LittleEndian.Uint64(sum[word%4*8:])
}
