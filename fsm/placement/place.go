package placement

import (
	v1 "roster/proto/roster/v1"
)

// family is a number of sets of places, no two of which have a place in common:
// the values of a spread key, or a part that a floor is over.
type family struct {
	level int // of the spread key
	floor *quota
	// What a square counts, or a member that a floor lacks.
	part int
	unit int64
	// By place: the set that it lies in; below zero: in none.
	set []int
}

// quota is how many members a pool needs in a part of the nodes, for a floor.
type quota struct {
	least int
	in    []bool // by node
	floor string // whose, and over which part, in words
}

// lacks is how many members of pool k are missing in the part.
func (q *quota) lacks(k int, at []int) int64 {
	have := 0
	for i, in := range q.in {
		if in && at[i] == k {
			have++
		}
	}
	return int64(max(0, q.least-have))
}

// places numbers the places that some pools tell apart, gives every node its
// own, and returns a node of each place.
func (p *problem) places(pools []int) []int {
	var keys []string
	known := map[string]bool{}
	for _, k := range pools {
		for _, key := range p.pools[k].GetSpread() {
			if !known[key] {
				known[key] = true
				keys = append(keys, key)
			}
		}
	}
	var samples []int
	numbers := map[string]int{}
	var b []byte
	for i := range p.nodes {
		b = appendPath(b[:0], p.nodes[i].Node, keys)
		for _, k := range pools {
			for _, q := range p.pools[k].quotas {
				if q.in[i] {
					b = append(b, '+')
				} else {
					b = append(b, '-')
				}
			}
		}
		number, there := numbers[string(b)]
		if !there {
			number = len(samples)
			numbers[string(b)] = number
			samples = append(samples, i)
		}
		p.nodes[i].location = number
	}
	return samples
}

// families returns the families of sets that bear on a pool: floors over parts
// first, then its spread keys, those that set every node apart left out, as `id`
// would. A place that no node of fits the pool lies in no set.
//
// The first ones are nested: any two sets of different families have no place in
// common, or one lies in the other. The others begin with one that crosses some
// of these.
func (p *problem) families(k int, samples []int) (nested, crossing []family) {
	fitting := make([]int, len(samples))
	for i := range p.nodes {
		if p.nodes[i].barrier[k].fits() {
			fitting[p.nodes[i].location]++
		}
	}
	var all []family
	for at := range p.pools[k].quotas {
		q := &p.pools[k].quotas[at]
		f := family{floor: q, part: partWishes, unit: wishFloor, set: make([]int, len(samples))}
		for place, i := range samples {
			if fitting[place] == 0 || !q.in[i] {
				f.set[place] = -1
			}
		}
		all = append(all, f)
	}
	p.pools[k].spread = p.pools[k].spread[:0]
	for level := range p.pools[k].GetSpread() {
		f := family{level: level, set: make([]int, len(samples))}
		f.part, f.unit = spreadPart(level)
		numbers := map[string]int{}
		var sizes []int
		apart := true
		for place, i := range samples {
			f.set[place] = -1
			if fitting[place] == 0 {
				continue
			}
			value := spreadValue(p.nodes[i].Node, p.pools[k].GetSpread(), level)
			number, there := numbers[value]
			if !there {
				number = len(sizes)
				numbers[value] = number
				sizes = append(sizes, 0)
			}
			f.set[place] = number
			sizes[number] += fitting[place]
			apart = apart && sizes[number] < 2
		}
		if !apart {
			all = append(all, f)
			p.pools[k].spread = append(p.pools[k].spread, level)
		}
	}
	for _, f := range all {
		switch {
		case len(crossing) == 0 && f.nestedIn(nested):
			nested = append(nested, f)
		case len(crossing) < mostCrossing:
			f.part, f.unit = halfPart(partCross, len(crossing))
			crossing = append(crossing, f)
		}
	}
	return nested, crossing
}

// nestedIn: no set of the family crosses any of the others.
func (f *family) nestedIn(others []family) bool {
	for at := range others {
		if f.crosses(&others[at]) {
			return false
		}
	}
	return true
}

func (f *family) crosses(g *family) bool {
	a, b, both := map[int]int{}, map[int]int{}, map[[2]int]int{}
	for place := range f.set {
		x, y := f.set[place], g.set[place]
		if x >= 0 {
			a[x]++
		}
		if y >= 0 {
			b[y]++
		}
		if x >= 0 && y >= 0 {
			both[[2]int{x, y}]++
		}
	}
	for pair, n := range both {
		if n < a[pair[0]] && n < b[pair[1]] {
			return true
		}
	}
	return false
}

// spreadValue is the value of a spread key. Nodes without the label are values
// of their own, one in each place that the keys before tell apart.
func spreadValue(n *v1.Node, keys []string, level int) string {
	if value, there := label(n, keys[level]); there {
		return "=" + value
	}
	return string(appendPath([]byte("/"), n, keys[:level]))
}

// appendPath joins the values of some labels; a node without a label stands in a
// place of its own kind, apart from every value.
func appendPath(b []byte, n *v1.Node, keys []string) []byte {
	for _, key := range keys {
		if value, there := label(n, key); there {
			b = append(b, '=')
			b = append(b, value...)
		}
		b = append(b, 0)
	}
	return b
}
