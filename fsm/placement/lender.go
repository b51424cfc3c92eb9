package placement

import (
	"encoding/binary"
	"slices"
)

// lender is a node that may take a service.
type lender struct {
	node  int
	in    []int // the floors that it counts for
	near  nearness
	taken bool
}

// row is lenders that are alike in all that changes while a service is borrowed:
// how far they are from the node that was lost, and which floors they count for.
// What is left of nearness orders them once, and only the first of each row is to
// be looked at.
type row struct {
	pending []int // floors that are yet to come and that they count for
	lenders []*lender
}

// alike tells rows apart: by what weighs more than the order within a row.
type alike struct {
	hindered, seated bool
	starts           int
	zone, region     string
	pending          string
}

// lendersOf lists who may take a service, for each floor that is short, in the
// order of what does not depend on the node that was lost.
func (l *lending) lendersOf(s int, short []int) [][]*lender {
	d := &l.demands[s]
	var all []*lender
	for i := range l.nodes {
		if l.refusal(i, s) == free {
			all = append(all, &lender{node: i, in: d.of(l.nodes[i].Node), near: l.nearness(-1, i, []int{s})})
		}
	}
	slices.SortFunc(all, func(a, b *lender) int { return a.near.compare(&b.near) })
	open := make([]bool, len(d.all))
	for _, at := range short {
		open[at] = true
	}
	lenders := make([][]*lender, len(d.all))
	for _, one := range all {
		for _, at := range one.in {
			if open[at] {
				lenders[at] = append(lenders[at], one)
			}
		}
	}
	return lenders
}

// awayFrom lists who may not be counted on for a service, by floor.
func (l *lending) awayFrom(s int) [][]absence {
	d := &l.demands[s]
	lost := slices.Clone(l.missing[s])
	slices.SortFunc(lost, func(a, b absence) int { return Compare(l.nodes[a.node].GetId(), l.nodes[b.node].GetId()) })
	away := make([][]absence, len(d.all))
	for _, from := range lost {
		for _, at := range d.of(l.nodes[from.node].Node) {
			away[at] = append(away[at], from)
		}
	}
	return away
}

// rows puts the lenders of one floor in rows. Of the other floors, only those of
// which it is not the turn yet may still be short of what these can give: where
// one that was before is, nobody is left for it. The one over all nodes makes no
// difference, as everybody counts for it.
func (l *lending) rows(lenders []*lender, next []int) []*row {
	later := map[int]bool{}
	for _, at := range next {
		later[at] = at > 0
	}
	found := map[alike]*row{}
	var rows []*row
	for _, one := range lenders {
		if one.taken {
			continue
		}
		n := l.nodes[one.node].Node
		key := alike{one.near.hindered, one.near.seated, one.near.starts, n.GetZone(), n.GetRegion(), ""}
		var pending []int
		if len(later) > 0 {
			pending = slices.DeleteFunc(slices.Clone(one.in), func(at int) bool { return !later[at] })
			key.pending = numbersKey(pending)
		}
		r := found[key]
		if r == nil {
			r = &row{pending: pending}
			found[key], rows = r, append(rows, r)
		}
		r.lenders = append(r.lenders, one)
	}
	return rows
}

// numbersKey is a list of numbers to be the key of a map.
func numbersKey(numbers []int) string {
	var key []byte
	for _, n := range numbers {
		key = binary.AppendUvarint(key, uint64(n))
	}
	return string(key)
}

// nearest is the best lender of all rows, or nil.
func (l *lending) nearest(d *demands, rows []*row, from int) *lender {
	var best *lender
	for _, r := range rows {
		for len(r.lenders) > 0 && r.lenders[0].taken {
			r.lenders = r.lenders[1:]
		}
		if len(r.lenders) == 0 {
			continue
		}
		one := r.lenders[0]
		l.locateFrom(&one.near, from, one.node)
		one.near.covers = 0
		for _, at := range r.pending {
			if d.all[at].have < d.all[at].least {
				one.near.covers++
			}
		}
		if best == nil || one.near.compare(&best.near) < 0 {
			best = one
		}
	}
	return best
}
