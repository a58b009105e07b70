package dns

import (
	"bytes"

	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/handler"
	"visor/handler/anonymize"
	"visor/sketch/hash64"
)

// mask replaces addresses and names by those that lists show. Without a Cache they stay the same.
type mask struct {
	by   *anonymize.Cache
	hash *hash64.Hasher
	text []byte // scratch
}

// address returns the address that is shown for a.
func (k *mask) address(a address) address {
	if k.by == nil {
		return a
	}
	return k.replaceAddress(a)
}

func (k *mask) replaceAddress(a address) address { return addressOf(k.by.Addr(a.addr())) }

// name returns the key and the hash of the name that is shown for a key with a hash. The key is
// valid until the next call.
func (k *mask) name(key []byte, hash uint64) (shown []byte, shownHash uint64) {
	if k.by == nil {
		return key, hash
	}
	return k.replaceName(key, hash)
}

func (k *mask) replaceName(key []byte, hash uint64) (shown []byte, shownHash uint64) {
	if out, changed := k.replace(key); changed {
		return out, k.hash.Sum(out)
	}
	return key, hash
}

// replace returns the key that is shown for another, and false if it is the same.
func (k *mask) replace(key []byte) (shown []byte, changed bool) {
	out, changed := k.by.AppendName(k.text[:0], key)
	if !changed {
		return nil, false
	}
	k.text = append(out, 0) // dnsmsg.Name expects it behind a whole name
	return k.text[:len(out)], true
}

// nameOf returns the name that is shown for the name of m, and its hash.
func (k *mask) nameOf(m *handler.Message) (dnsmsg.Name, uint64) {
	out, changed := k.replace(m.Name.Key())
	if !changed {
		return m.Name, m.Hash
	}
	return dnsmsg.NameFromWire(out[:len(out)+1]), k.hash.Sum(out)
}

// leaving replaces the name of c. Its parts have as many labels as before, if the name has.
func (k *mask) leaving(c *leavingName) {
	name, changed := k.replace(c.name[:c.length])
	if !changed {
		return
	}
	two, three := labels(c.name[c.two:c.length]), 0
	if c.three != noPart {
		three = labels(c.name[c.three:c.length])
	}
	c.hash, c.length = k.hash.Sum(name), uint8(copy(c.name[:], name))
	c.name[c.length] = 0
	c.two = last(name, two)
	if c.three != noPart {
		c.three = last(name, three)
	}
}

// labels returns the number of labels of a name without its final zero.
func labels(name []byte) (n int) {
	for at := 0; at < len(name); at += 1 + int(name[at]) {
		n++
	}
	return n
}

// last returns where the last n labels of a name begin.
func last(name []byte, n int) (at uint8) {
	for have := labels(name); have > n; have-- {
		at += 1 + name[at]
	}
	return at
}

// policy leaves out a rule that may name a client: one about addresses or about names for them.
func (k *mask) policy(p *dnstapmsg.Policy) {
	if k.by == nil {
		return
	}
	if names := p.Match == dnstapmsg.MatchQName || p.Match == dnstapmsg.MatchNSName; !names || bytes.Contains(p.Rule, []byte("\x04arpa")) {
		p.Rule = nil
	}
}
