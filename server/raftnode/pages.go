package raftnode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// Layout of a bbolt file, version 2, in the machine's byte order: pages with a
// header, two of them meta pages that name the root of a tree of branch and
// leaf pages.
const (
	boltMagic       = 0xED0CDAED
	boltVersion     = 2
	pageHeaderSize  = 16
	elementSize     = 16
	metaSize        = 64
	metaChecksummed = 56
	bucketSize      = 16
	branchFlag      = 0x01
	leafFlag        = 0x02
	bucketFlag      = 0x01
	// deepestTree bounds the walk; real trees have a handful of levels.
	deepestTree = 64
)

var order = binary.NativeEndian

// pages walks a bbolt file and trusts nothing in it. When bbolt opens a file it
// walks it too, to find the free pages, but in a goroutine of its own, where it
// panics on what it does not expect: that would end the process without a word
// about what to do. What passes this walk passes that one.
type pages struct {
	file     *os.File
	size     int64
	pageSize int64
	// end is the first page id that was never used.
	end  uint64
	seen map[uint64]bool
}

// checkPages says whether a bbolt file is whole.
func checkPages(path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	p := &pages{file: file, size: info.Size(), pageSize: int64(os.Getpagesize()), seen: map[uint64]bool{}}
	root, err := p.meta()
	if err != nil {
		return err
	}
	if p.size < int64(p.end)*p.pageSize {
		return fmt.Errorf("it is torn: it has %d bytes, its newest state needs %d", p.size, int64(p.end)*p.pageSize)
	}
	return p.walk(root, 0, nil, nil)
}

// meta finds the newest state that is whole, as bbolt does, and gives its root.
func (p *pages) meta() (root uint64, err error) {
	var newest uint64
	found := false
	for page := range int64(2) {
		raw := make([]byte, metaSize)
		if _, err := p.file.ReadAt(raw, page*p.pageSize+pageHeaderSize); err != nil {
			continue
		}
		if order.Uint32(raw) != boltMagic || order.Uint32(raw[4:]) != boltVersion {
			continue
		}
		sum := fnv.New64a()
		_, _ = sum.Write(raw[:metaChecksummed])
		if sum.Sum64() != order.Uint64(raw[metaChecksummed:]) {
			continue
		}
		if txid := order.Uint64(raw[48:]); !found || txid > newest {
			found, newest = true, txid
			p.pageSize = int64(order.Uint32(raw[8:]))
			root, p.end = order.Uint64(raw[16:]), order.Uint64(raw[40:])
		}
	}
	if !found {
		return 0, errors.New("neither of its two heads is whole, or it was never a log")
	}
	if p.pageSize < 512 || p.pageSize > 1<<20 || p.end > uint64(p.size) {
		return 0, fmt.Errorf("its head names %d pages of %d bytes", p.end, p.pageSize)
	}
	return root, nil
}

// read gives a page with those that it overflows into.
func (p *pages) read(id uint64) ([]byte, error) {
	if id < 2 || id >= p.end {
		return nil, fmt.Errorf("page %d is out of bounds (%d)", id, p.end)
	}
	header := make([]byte, pageHeaderSize)
	if _, err := p.file.ReadAt(header, int64(id)*p.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if own := order.Uint64(header); own != id {
		return nil, fmt.Errorf("page %d says that it is page %d", id, own)
	}
	span := uint64(order.Uint32(header[12:])) + 1
	if span > p.end-id {
		return nil, fmt.Errorf("page %d is out of bounds: it spans %d pages (%d)", id, span, p.end)
	}
	for part := id; part < id+span; part++ {
		if p.seen[part] {
			return nil, fmt.Errorf("page %d is referred to twice", part)
		}
		p.seen[part] = true
	}
	page := make([]byte, int64(span)*p.pageSize)
	if _, err := p.file.ReadAt(page, int64(id)*p.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return page, nil
}

// walk looks at a page and what is below it. Keys are within from (included,
// nil: any) and to (excluded, nil: any).
func (p *pages) walk(id uint64, depth int, from, to []byte) error {
	if depth > deepestTree {
		return fmt.Errorf("page %d lies %d levels deep", id, depth)
	}
	page, err := p.read(id)
	if err != nil {
		return err
	}
	return p.elements(page, fmt.Sprintf("page %d", id), depth, from, to)
}

// element is one entry of a page: a key with a value, or with a page below.
type element struct {
	key, value []byte
	flags      uint32
	below      uint64
}

func (p *pages) elements(page []byte, name string, depth int, from, to []byte) error {
	flags, count := order.Uint16(page[8:]), int(order.Uint16(page[10:]))
	if flags != branchFlag && flags != leafFlag {
		return fmt.Errorf("%s is of no known kind (%#x)", name, flags)
	}
	entries := make([]element, count)
	for i := range entries {
		if err := entries[i].parse(page, i, flags == branchFlag); err != nil {
			return fmt.Errorf("%s, element %d: %w", name, i, err)
		}
	}
	for i, e := range entries {
		low := from
		if i > 0 {
			low = entries[i-1].key
		}
		if low != nil && (bytes.Compare(e.key, low) < 0 || i > 0 && bytes.Equal(e.key, low)) || to != nil && bytes.Compare(e.key, to) >= 0 {
			return fmt.Errorf("%s, element %d: its key is out of order", name, i)
		}
		next := to
		if i+1 < count {
			next = entries[i+1].key
		}
		var err error
		switch {
		case flags == branchFlag:
			err = p.walk(e.below, depth+1, e.key, next)
		case e.flags&bucketFlag != 0:
			err = p.bucket(e, name, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parse reads element i of a page.
func (e *element) parse(page []byte, i int, branch bool) error {
	at := pageHeaderSize + i*elementSize
	if at+elementSize > len(page) {
		return errors.New("it lies outside of its page")
	}
	raw := page[at:]
	var position, keySize, valueSize uint64
	if branch {
		position, keySize, e.below = uint64(order.Uint32(raw)), uint64(order.Uint32(raw[4:])), order.Uint64(raw[8:])
	} else {
		e.flags = order.Uint32(raw)
		position, keySize, valueSize = uint64(order.Uint32(raw[4:])), uint64(order.Uint32(raw[8:])), uint64(order.Uint32(raw[12:]))
	}
	if keySize == 0 {
		return errors.New("it has no key")
	}
	if position < elementSize || position+keySize+valueSize > uint64(len(raw)) {
		return errors.New("it points outside of its page")
	}
	e.key, e.value = raw[position:position+keySize], raw[position+keySize:position+keySize+valueSize]
	return nil
}

// bucket looks into a bucket: a tree of its own, or, where it is small, a page
// inside the value.
func (p *pages) bucket(e element, name string, depth int) error {
	if len(e.value) < bucketSize {
		return fmt.Errorf("%s: bucket %q has no head", name, e.key)
	}
	if root := order.Uint64(e.value); root != 0 {
		return p.walk(root, depth+1, nil, nil)
	}
	inline := e.value[bucketSize:]
	if len(inline) < pageHeaderSize {
		return fmt.Errorf("%s: bucket %q has no page", name, e.key)
	}
	return p.elements(inline, fmt.Sprintf("%s, bucket %q", name, e.key), depth+1, nil, nil)
}
