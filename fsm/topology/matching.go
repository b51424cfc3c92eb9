package topology

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// shared refuses pools that together want more of the same named nodes than
// there are.
func (f *findings) shared(t *v1.Topology, sets []nodeSet) {
	m := newMatching(t, sets)
	for i, pool := range t.GetPools() {
		if !sets[i].listed || pool.GetShared() {
			continue
		}
		tried := m.seat(i, wanted(pool))
		if tried == nil {
			continue
		}
		names := make([]string, 0, len(tried))
		need, ids := 0, make(map[string]bool)
		for _, p := range tried {
			names = append(names, t.GetPools()[p].GetName())
			need += wanted(t.GetPools()[p])
			for id := range sets[p].ids {
				ids[id] = true
			}
		}
		f.add(ruleFewForAll, path{"pools"}.item(i).to("nodes"), fmt.Sprintf("pools %s want %d nodes and can have only the %d that they name together", strings.Join(names, ", "), need, len(ids)), "name more nodes, or want fewer")
		return
	}
}

// matching seats pools on named nodes. Nodes that the same pools name are one
// class, which has as many seats as it has nodes.
type matching struct {
	classes []class
	of      map[int][]int // the classes of each pool
}

type class struct {
	free int
	held map[int]int // seats that each pool has here
}

func newMatching(t *v1.Topology, sets []nodeSet) *matching {
	m := &matching{of: make(map[int][]int)}
	pools := make(map[string][]int) // by node id, in the order of the file
	for i, set := range sets {
		if set.listed && !t.GetPools()[i].GetShared() {
			for id := range set.ids {
				pools[id] = append(pools[id], i)
			}
		}
	}
	index := make(map[string]int)
	for _, id := range sortedKeys(pools) {
		key := fmt.Sprint(pools[id])
		c, ok := index[key]
		if !ok {
			c = len(m.classes)
			index[key] = c
			m.classes = append(m.classes, class{held: make(map[int]int)})
			for _, p := range pools[id] {
				m.of[p] = append(m.of[p], c)
			}
		}
		m.classes[c].free++
	}
	return m
}

// seat gives pool p so many seats, moving those of other pools to other
// classes where that makes room (augmenting paths). If there are too few, it
// returns the pools of the failed search: they are in each other's way, and
// have every seat of every class that they name.
func (m *matching) seat(p, need int) (tried []int) {
	for need > 0 {
		from := map[int]int{} // the class on whose account a pool was asked to move
		by := map[int]int{}   // the pool that asked for a class
		queue, end := []int{p}, -1
		seen := map[int]bool{p: true}
		for len(queue) > 0 && end < 0 {
			pool := queue[0]
			queue = queue[1:]
			for _, c := range m.of[pool] {
				if _, asked := by[c]; asked {
					continue
				}
				by[c] = pool
				if m.classes[c].free > 0 {
					end = c
					break
				}
				for _, other := range sortedInts(m.classes[c].held) {
					if !seen[other] {
						seen[other], from[other] = true, c
						queue = append(queue, other)
					}
				}
			}
		}
		if end < 0 {
			return sortedInts(seen)
		}
		// The path is p … class, pool … end; as many seats move along it as its
		// narrowest part allows.
		n := min(need, m.classes[end].free)
		for pool := by[end]; pool != p; pool = by[from[pool]] {
			n = min(n, m.classes[from[pool]].held[pool])
		}
		m.classes[end].free -= n
		for c := end; ; {
			pool := by[c]
			m.classes[c].held[pool] += n
			if pool == p {
				break
			}
			c = from[pool]
			if m.classes[c].held[pool] -= n; m.classes[c].held[pool] == 0 {
				delete(m.classes[c].held, pool)
			}
		}
		need -= n
	}
	return nil
}

func sortedInts[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
