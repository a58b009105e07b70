package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// checkTime bounds the check of a file.
const checkTime = 10 * time.Second

// maxDepth bounds how deep pages and buckets are nested.
const maxDepth = 32

// checking is a walk through the pages of a database.
type checking struct {
	*pages
	ctx     context.Context
	values  bool            // also check the records
	seen    map[uint64]bool // pages in use
	unclean bool            // the file was not closed
}

// check returns an error that wraps errStructure or errDamaged if the database in f is damaged. It
// checks the structure always, and the records only if the file was not closed. Reading a record
// checks it, too. For that reason, a check of records may end early without an error.
func check(f *os.File) error {
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	p, err := newPages(f, info.Size())
	if err != nil {
		return err
	}
	c := checking{pages: p, ctx: ctx, seen: make(map[uint64]bool)}
	if err := c.run(); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w: its structure could not be checked in %v", errStructure, checkTime)
		}
		return err
	}
	if !c.unclean {
		return nil
	}
	c.seen, c.values = make(map[uint64]bool), true
	if err := c.run(); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// run walks through all pages, and compares them with the list of free ones.
func (c *checking) run() error {
	if err := c.walk(c.meta.root, &place{}, bounds{}, 0); err != nil {
		return err
	}
	return c.free()
}

// place is a bucket, and the parts of it that were read.
type place struct {
	path    []string
	last    record // the record before; without data
	highest uint64 // number of a record
}

// bounds are the keys that a page may have: from low until before high. nil has no limit.
type bounds struct{ low, high []byte }

func (b bounds) have(key []byte) bool {
	return (b.low == nil || bytes.Compare(key, b.low) >= 0) && (b.high == nil || bytes.Compare(key, b.high) < 0)
}

// walk checks a page and those below it.
func (c *checking) walk(id uint64, in *place, keys bounds, depth int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	n, err := c.node(id)
	if err != nil {
		return err
	}
	for page := id; page <= id+uint64(n.overflow); page++ {
		if page < 2 || page >= c.meta.high || c.seen[page] {
			return fmt.Errorf("%w: page %d is in two places, or not in use", errStructure, page)
		}
		c.seen[page] = true
	}
	return c.entries(n, in, keys, depth)
}

// entries checks the entries of a node, and the nodes below them.
func (c *checking) entries(n node, in *place, keys bounds, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: its pages are nested too deep", errStructure)
	}
	all, err := c.elements(n)
	if err != nil {
		return err
	}
	for i, e := range all {
		if !keys.have(e.key) {
			return fmt.Errorf("%w: a key of the node at byte %d belongs to another", errStructure, n.at)
		}
		switch {
		case n.flags == branchPage:
			below := bounds{e.key, keys.high}
			if i+1 < len(all) {
				below.high = all[i+1].key
			}
			err = c.walk(e.child, in, below, depth+1)
		case e.bucket:
			err = c.bucket(e, in, depth+1)
		default:
			err = c.value(e, in)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket.
func (c *checking) bucket(e element, in *place, depth int) error {
	head, err := c.bytes(e.at, bucketLen)
	if err != nil {
		return err
	}
	root, sequence := order.Uint64(head), order.Uint64(head[8:])
	sub := &place{path: append(in.path[:len(in.path):len(in.path)], string(e.key))}
	if root != 0 {
		err = c.walk(root, sub, bounds{}, depth)
	} else {
		var n node
		if n, err = c.inline(e); err == nil {
			err = c.entries(n, sub, bounds{}, depth)
		}
	}
	if err == nil && c.values && len(sub.path) == 2 && sub.highest > 0 && sub.highest != sequence {
		err = fmt.Errorf("%w: the last records of %q are missing", errDamaged, sub.path)
	}
	return err
}

// value checks a value.
func (c *checking) value(e element, in *place) error {
	if len(in.path) == 1 && in.path[0] == string(metaBucket) && string(e.key) == string(openKey) {
		c.unclean = true
	}
	if !c.values || len(in.path) != 2 {
		return nil
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	value, err := c.bytes(e.at, e.size)
	if err != nil {
		return err
	}
	r, err := readRecord(value)
	if err == nil && (r.tier.String() != in.path[0] || string(bucketOf(r.policy)) != in.path[1] || !bytes.Equal(keyOf(r.start), e.key)) {
		err = fmt.Errorf("%w: it is in another's place", errDamaged)
	}
	if err == nil && in.highest > 0 && r.misses(&in.last) {
		err = fmt.Errorf("%w: the one before is missing", errDamaged)
	}
	if err != nil {
		return fmt.Errorf("%w (%q, byte %d)", err, in.path, e.at)
	}
	r.data = nil
	in.last, in.highest = r, max(in.highest, r.number)
	return nil
}

// misses reports whether records between before and r are missing, and that is not known yet.
func (r *record) misses(before *record) bool { return r.before != before.number && !r.lossy }

// free checks that the pages that are in use are not free.
func (c *checking) free() error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	n, err := c.node(c.meta.freelist)
	if err != nil {
		return err
	}
	count, at := uint64(n.count), n.at+headerLen
	if n.flags == freelistPage && count == 0xFFFF { // the number is the first entry
		b, err := c.bytes(at, 8)
		if err != nil {
			return err
		}
		count, at = order.Uint64(b), at+8
	}
	if n.flags != freelistPage || count > uint64(n.length)/8 {
		return fmt.Errorf("%w: its list of free pages", errStructure)
	}
	list, err := c.bytes(at, int64(count)*8)
	if err != nil {
		return err
	}
	for i := range count {
		if page := order.Uint64(list[i*8:]); page < 2 || page >= c.meta.high || c.seen[page] {
			return fmt.Errorf("%w: page %d is free and in use", errStructure, page)
		}
	}
	return nil
}
