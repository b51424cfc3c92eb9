package rollout

import (
	"slices"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// parts knows which floors over parts of the nodes an instance counts for. It is
// made once for many questions: with one part for each value of a label, asking
// each of them of each node would be quadratic.
type parts map[string]map[string]map[string][]part // by service, first key, its values

// part is a floor over some nodes.
type part struct {
	key   string // of its floor
	where map[string]*v1.LabelValues
}

func partsOf(floors map[string]*storev1.FloorInForce) parts {
	var p parts
	for key, f := range floors {
		if len(f.GetWhere()) == 0 {
			continue
		}
		if p == nil {
			p = parts{}
		}
		first := ""
		for label := range f.GetWhere() {
			if first == "" || label < first {
				first = label
			}
		}
		service := p[f.GetService()]
		if service == nil {
			service = map[string]map[string][]part{}
			p[f.GetService()] = service
		}
		if service[first] == nil {
			service[first] = map[string][]part{}
		}
		for _, value := range f.GetWhere()[first].GetValues() {
			service[first][value] = append(service[first][value], part{key, f.GetWhere()})
		}
	}
	return p
}

// of lists the keys of the parts that a service of a node counts for, sorted.
func (p parts) of(n *v1.Node, service string) []string {
	if len(p[service]) == 0 {
		return nil
	}
	var keys []string
	for label, values := range p[service] {
		value, there := placement.Label(n, label)
		if !there {
			continue
		}
		for _, candidate := range values[value] {
			if placement.Matches(n, candidate.where) {
				keys = append(keys, candidate.key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// keys lists all floors that a service of a node counts for: the one over all
// nodes first.
func (p parts) keys(n *v1.Node, service string) []string {
	return append([]string{service}, p.of(n, service)...)
}
