package placement

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// demand is a floor in force of a service: over all nodes, or over a part of
// them. A node that serves it counts for every floor that it lies in.
type demand struct {
	where map[string]*v1.LabelValues // nil: all nodes
	name  string                     // of the part
	least int
	nodes int // registered nodes in it
	ready int // those that serve it now
	have  int // those that may be counted on
	loans int // of these, loans
}

// demands are the floors of one service: the one over all nodes first, then
// those over parts by name.
type demands struct {
	all []demand
	// The parts that a node may lie in, by the first of their keys and its value:
	// with a part for each value of a label, asking all of them would be quadratic.
	near map[string]map[string][]int
}

// demand lists the floors in force, by service.
func (p *problem) demand(floors map[string]uint32, parts []Part) []demands {
	all := make([]demands, len(p.services))
	for s, service := range p.services {
		all[s].all = []demand{{least: int(floors[service.GetName()]), nodes: len(p.nodes)}}
	}
	for _, part := range parts {
		s, named := p.numbers[part.Service]
		if named && len(part.Where) > 0 {
			all[s].all = append(all[s].all, demand{where: part.Where, name: PartName(part.Where), least: int(part.Min)})
		}
	}
	for s := range all {
		d := &all[s]
		slices.SortFunc(d.all, func(a, b demand) int {
			return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(b.least, a.least))
		})
		d.all = slices.CompactFunc(d.all, func(a, b demand) bool { return a.name == b.name })
		d.index()
		for i := range p.nodes {
			for _, at := range d.of(p.nodes[i].Node)[1:] {
				d.all[at].nodes++
			}
		}
	}
	return all
}

func (d *demands) index() {
	for at := range d.all {
		if d.all[at].where == nil {
			continue
		}
		if d.near == nil {
			d.near = map[string]map[string][]int{}
		}
		key := slices.Min(slices.Collect(maps.Keys(d.all[at].where)))
		if d.near[key] == nil {
			d.near[key] = map[string][]int{}
		}
		values := slices.Clone(d.all[at].where[key].GetValues())
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			d.near[key][value] = append(d.near[key][value], at)
		}
	}
}

// everywhere are the floors of a service that has none over a part.
var everywhere = []int{0}

// of lists the floors that a node counts for, the one over all nodes first.
func (d *demands) of(n *v1.Node) []int {
	if d.near == nil {
		return everywhere
	}
	found := []int{0}
	for key, values := range d.near {
		value, there := label(n, key)
		if !there {
			continue
		}
		for _, at := range values[value] {
			if matches(n, d.all[at].where) {
				found = append(found, at)
			}
		}
	}
	slices.Sort(found)
	return found
}

// short lists the floors that are not covered, those over the fewest nodes
// first: what is borrowed for a part counts for all that it lies in.
func (d *demands) short() []int {
	var short []int
	for at := range d.all {
		if d.all[at].have < d.all[at].least {
			short = append(short, at)
		}
	}
	slices.SortStableFunc(short, func(a, b int) int {
		return cmp.Or(later(a == 0, b == 0), cmp.Compare(d.all[a].nodes, d.all[b].nodes))
	})
	return short
}

// shortIn counts the floors that are not covered and that a node counts for.
func (d *demands) shortIn(n *v1.Node) int {
	short := 0
	for _, at := range d.of(n) {
		if d.all[at].have < d.all[at].least {
			short++
		}
	}
	return short
}

// inWords says which part a floor is over, to go on a sentence.
func (d *demand) inWords() string { return inWords(d.where) }

func inWords(where map[string]*v1.LabelValues) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(where)) {
		values := slices.Clone(where[key].GetValues())
		slices.Sort(values)
		words = append(words, key+" "+strings.Join(slices.Compact(values), " or "))
	}
	if len(words) == 0 {
		return ""
	}
	return " in " + strings.Join(words, ", ")
}
