package topology

import (
	"cmp"
	"strconv"
	"strings"
)

// position is a place in a file; both count from 1, columns in characters.
type position struct{ line, column int }

func (p position) compare(o position) int {
	return cmp.Or(cmp.Compare(p.line, o.line), cmp.Compare(p.column, o.column))
}

// place says where a part of a topology stands in its file. It has the shape
// of the message, so that a fault which is found in the message later, by its
// path, can still be shown in the file.
type place struct {
	// key is where the part's key stands, value where its value begins; the
	// same for what has no key.
	key, value position
	// fields by key, for a mapping.
	fields map[string]*place
	// items in order, for a list.
	items []*place
}

func (p *place) field(key string, at *place) {
	if p.fields == nil {
		p.fields = make(map[string]*place)
	}
	p.fields[key] = at
}

// find returns the place of a path, or that of the closest part around it that
// is written in the file.
func (p *place) find(at path) *place {
	for _, step := range at {
		var next *place
		if p.fields != nil {
			next = p.fields[step]
		} else if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(p.items) {
			next = p.items[i]
		}
		if next == nil {
			return p
		}
		p = next
	}
	return p
}

// path leads to a part of a topology: keys, and indices as decimal numbers.
type path []string

// to returns the path of a key below p.
func (p path) to(key string) path { return append(p[:len(p):len(p)], key) }

// item returns the path of a list's entry.
func (p path) item(i int) path { return p.to(strconv.Itoa(i)) }

// String returns the path as `pools[2].where.region`.
func (p path) String() string {
	var b strings.Builder
	for i, step := range p {
		_, err := strconv.ParseUint(step, 10, 32)
		switch {
		case i == 0:
			b.WriteString(step)
		case err == nil:
			b.WriteString("[" + step + "]")
		default:
			b.WriteString("." + step)
		}
	}
	return b.String()
}
