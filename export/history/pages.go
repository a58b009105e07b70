package history

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// pages reads the pages of a database as bbolt writes them, and trusts none of them: any bytes are
// pages or an error. bbolt itself panics on damaged pages, or does not end.
type pages struct {
	in   io.ReaderAt
	size int64 // of the file
	meta meta
}

// meta is the part of a meta page that is of interest.
type meta struct {
	root, freelist, high, transaction uint64
}

// Flags and sizes of bbolt's pages, whose numbers have the byte order of the machine.
const (
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10

	headerLen  = 16
	elementLen = 16
	bucketLen  = 16
	metaLen    = 64
	metaMagic  = 0xED0CDAED

	isBucket   = 1 // flag of an element
	maxKey     = 32768
	noFreelist = ^uint64(0)
)

var order = binary.NativeEndian

// newPages reads the meta pages.
func newPages(in io.ReaderAt, size int64) (*pages, error) {
	p := &pages{in: in, size: size}
	found := false
	for id := range int64(2) {
		if m, ok := p.readMeta(id); ok && (!found || m.transaction > p.meta.transaction) {
			p.meta, found = m, true
		}
	}
	if !found {
		return p, fmt.Errorf("%w: both meta pages are invalid", errStructure)
	}
	return p, nil
}

func (p *pages) readMeta(id int64) (m meta, ok bool) {
	b, err := p.bytes(id*pageSize+headerLen, metaLen)
	if err != nil || order.Uint32(b) != metaMagic || order.Uint32(b[8:]) != pageSize {
		return m, false
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaLen-8]) // cannot fail
	m = meta{root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]), high: order.Uint64(b[40:]), transaction: order.Uint64(b[48:])}
	return m, sum.Sum64() == order.Uint64(b[metaLen-8:])
}

// bytes returns n bytes of the file.
func (p *pages) bytes(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || n > p.size || at > p.size-n {
		return nil, fmt.Errorf("%w: byte %d is beyond its end", errStructure, at)
	}
	b := make([]byte, n)
	_, err := p.in.ReadAt(b, at)
	return b, err
}

// node is a page with its overflow, or a page within a bucket's value.
type node struct {
	at, length int64
	flags      uint16
	count      int
	id         uint64
	overflow   int64
}

// node returns the node of a page.
func (p *pages) node(id uint64) (n node, err error) {
	if id > uint64(p.size/pageSize) {
		return n, fmt.Errorf("%w: page %d is beyond its end", errStructure, id)
	}
	n, err = p.nodeAt(int64(id) * pageSize)
	n.length = (n.overflow + 1) * pageSize
	switch {
	case err != nil:
		return n, err
	case n.id != id:
		return n, fmt.Errorf("%w: page %d is called %d", errStructure, id, n.id)
	case n.at+n.length > p.size:
		return n, fmt.Errorf("%w: page %d is beyond its end", errStructure, id)
	}
	return n, nil
}

func (p *pages) nodeAt(at int64) (node, error) {
	h, err := p.bytes(at, headerLen)
	if err != nil {
		return node{}, err
	}
	return node{at: at, id: order.Uint64(h), flags: order.Uint16(h[8:]), count: int(order.Uint16(h[10:])), overflow: int64(order.Uint32(h[12:]))}, nil
}

// inline returns the node within the value of a small bucket.
func (p *pages) inline(e element) (node, error) {
	n, err := p.nodeAt(e.at + bucketLen)
	n.length = e.size - bucketLen
	if err == nil && n.length < headerLen {
		err = fmt.Errorf("%w: a bucket at byte %d is short", errStructure, e.at)
	}
	return n, err
}

// element is an entry of a leaf or branch.
type element struct {
	key      []byte
	bucket   bool
	at, size int64  // value in a leaf
	child    uint64 // page below a branch
}

// elements returns the entries of a node. Their keys are in order.
func (p *pages) elements(n node) (out []element, err error) {
	if n.flags != leafPage && n.flags != branchPage || int64(n.count)*elementLen > n.length-headerLen {
		return nil, fmt.Errorf("%w: the node at byte %d has flags %#x and %d entries", errStructure, n.at, n.flags, n.count)
	}
	table, err := p.bytes(n.at+headerLen, int64(n.count)*elementLen)
	if err != nil {
		return nil, err
	}
	for i := range n.count {
		raw, at := table[i*elementLen:], int64(headerLen+i*elementLen)
		var e element
		var pos, keyLen int64
		if n.flags == branchPage {
			pos, keyLen, e.child = int64(order.Uint32(raw)), int64(order.Uint32(raw[4:])), order.Uint64(raw[8:])
		} else {
			e.bucket = order.Uint32(raw)&isBucket != 0
			pos, keyLen, e.size = int64(order.Uint32(raw[4:])), int64(order.Uint32(raw[8:])), int64(order.Uint32(raw[12:]))
		}
		if keyLen > maxKey || at+pos+keyLen+e.size > n.length {
			return out, fmt.Errorf("%w: entry %d of the node at byte %d is beyond its end", errStructure, i, n.at)
		}
		if e.key, err = p.bytes(n.at+at+pos, keyLen); err != nil {
			return out, err
		}
		if i > 0 && bytes.Compare(out[i-1].key, e.key) >= 0 {
			return out, fmt.Errorf("%w: the keys of the node at byte %d are out of order", errStructure, n.at)
		}
		e.at = n.at + at + pos + keyLen
		out = append(out, e)
	}
	return out, nil
}
