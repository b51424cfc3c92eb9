package placement

import (
	"cmp"
	"slices"
)

// grow makes a tree of nested families below a root, by add, and notes the
// vertex of each place. Sets of more places come first on the way down.
func grow(families []family, root, places int, add func(v vertex) int) (leaves []int) {
	sizes := make([][]int, len(families))
	for at, f := range families {
		sizes[at] = make([]int, slices.Max(f.set)+1)
		for _, set := range f.set {
			if set >= 0 {
				sizes[at][set]++
			}
		}
	}
	leaves = make([]int, places)
	known := map[[3]int]int{} // vertex, family and set to the vertex below
	var chain []int
	for place := range leaves {
		chain = chain[:0]
		for at, f := range families {
			if f.set[place] >= 0 {
				chain = append(chain, at)
			}
		}
		slices.SortStableFunc(chain, func(a, b int) int {
			return cmp.Compare(sizes[b][families[b].set[place]], sizes[a][families[a].set[place]])
		})
		at := root
		for _, of := range chain {
			key := [3]int{at, of, families[of].set[place]}
			v, there := known[key]
			if !there {
				v = add(families[of].vertex(at))
				known[key] = v
			}
			at = v
		}
		leaves[place] = at
	}
	return leaves
}

// vertex is what a set of a family costs, below another one.
func (f *family) vertex(parent int) vertex {
	v := vertex{parent: parent, part: f.part, unit: f.unit}
	if f.floor != nil {
		v.least = f.floor.least
	}
	return v
}
