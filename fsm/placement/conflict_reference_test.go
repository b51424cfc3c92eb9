package placement

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// standing is some rules that are to be kept, all others done without; nil: all
// are to be kept.
type standing []*v1.Rule

func (s standing) keeps(path string) bool {
	return s == nil || slices.ContainsFunc(s, func(r *v1.Rule) bool { return r.Path == path })
}

func (s standing) says(id, what string) bool {
	return s == nil || slices.ContainsFunc(s, func(r *v1.Rule) bool {
		words := strings.FieldsFunc(r.Text, func(c rune) bool { return c == ' ' || c == ',' })
		return fact(r) && strings.Contains(r.Text, what) && (id == "" || slices.Contains(words, id))
	})
}

func (s standing) registered() bool {
	return s == nil || slices.ContainsFunc(s, func(r *v1.Rule) bool { return r.Path == "nodes" && strings.HasSuffix(r.Text, " registered") })
}

// fits is what a pool asks of a node, rule by rule. A node without a record is
// one that nobody registered.
func (s standing) fits(v View, p *v1.Pool, id string, n *v1.Node) bool {
	holder := func(n *v1.Node, service string) bool { return slices.Contains(n.GetHolds(), service) }
	in := func(patterns []string) bool {
		return slices.Contains(patterns, id) || slices.Contains(patterns, "node-[2-5]") && id >= "node-2" && id <= "node-5"
	}
	value := func(key string) (string, bool) {
		switch {
		case key == "id":
			return id, true
		case n == nil:
			return "", false
		case key == "region":
			return n.Region, true
		}
		return n.Labels[key], true
	}
	asked := func(key string, values *v1.LabelValues) bool {
		have, known := value(key)
		return !known || slices.Contains(values.Values, have)
	}
	pool := "pools." + p.Name + "."
	if len(p.Nodes) > 0 && s.keeps(pool+"nodes") && !in(p.Nodes) || len(p.Exclude) > 0 && s.keeps(pool+"exclude") && in(p.Exclude) {
		return false
	}
	for key, values := range p.Where {
		if s.keeps(pool+"where."+key) && !asked(key, values) {
			return false
		}
	}
	for _, service := range p.Services {
		claimed := n == nil || slices.ContainsFunc(n.Claims.Services, func(c *v1.ServiceClaim) bool { return c.Name == service })
		if !claimed && (s.says("", "can run "+service) || s.says("", "cannot run "+service)) {
			return false
		}
		for _, set := range v.Topology.Services {
			if set.Name != service {
				continue
			}
			for key, values := range set.Requires {
				if s.keeps("services."+service+".requires."+key) && !asked(key, values) {
					return false
				}
			}
			if set.Data == v1.Data_DATA_LOCAL && s.keeps("services."+service+".data") && !holder(n, service) &&
				slices.ContainsFunc(v.Nodes, func(n *v1.Node) bool { return holder(n, service) }) {
				return false
			}
		}
	}
	if n == nil {
		return !s.registered()
	}
	well := n.State == v1.NodeState_NODE_STATE_UP && !n.Settings.Cordoned && n.Settings.Drain == nil
	return well || !s.says(id, " is ") && !s.says(id, " are ")
}

// possible tries every choice of nodes for what the pools have to have.
func (s standing) possible(v View) bool {
	type candidate struct {
		id string
		n  *v1.Node
	}
	var nodes []candidate
	for _, n := range v.Nodes {
		nodes = append(nodes, candidate{n.Id, n})
	}
	if s != nil && !s.registered() {
		for i := range 8 {
			if id := fmt.Sprintf("node-%d", i+2); !slices.ContainsFunc(v.Nodes, func(n *v1.Node) bool { return n.Id == id }) {
				nodes = append(nodes, candidate{id, nil})
			}
		}
	}
	least, most, exclusive := map[string]int{}, map[string]int{}, []*v1.Pool{}
	for _, p := range v.Topology.Pools {
		least[p.Name], most[p.Name] = int(p.GetMin()), 1000
		path := "pools." + p.Name + ".min"
		if kind(p) == 0 {
			path = "pools." + p.Name + ".count"
			if p.GetMin() > 0 {
				least[p.Name] = int(p.GetCount())
			}
			if s.keeps(path) {
				most[p.Name] = int(p.GetCount())
			}
		}
		if !s.keeps(path) {
			least[p.Name] = 0
		}
		if !p.Shared {
			exclusive = append(exclusive, p)
		}
	}
	// Nobody else's nodes are needed by a pool that nodes without end fit.
	endless := func(p *v1.Pool) bool { return s != nil && s.fits(v, p, "node-1000", nil) }
	for _, p := range v.Topology.Pools {
		if !p.Shared {
			continue
		}
		fit := 0
		for _, c := range nodes {
			if s.fits(v, p, c.id, c.n) {
				fit++
			}
		}
		if !endless(p) && fit < least[p.Name] {
			return false
		}
	}
	got := map[string]int{}
	var try func(at int) bool
	try = func(at int) bool {
		if at == len(nodes) {
			for _, p := range exclusive {
				if !endless(p) && got[p.Name] < least[p.Name] {
					return false
				}
			}
			return s.floors(v, got, most, endless)
		}
		for _, p := range exclusive {
			if !endless(p) && got[p.Name] < most[p.Name] && s.fits(v, p, nodes[at].id, nodes[at].n) {
				got[p.Name]++
				done := try(at + 1)
				got[p.Name]--
				if done {
					return true
				}
			}
		}
		return try(at + 1)
	}
	return try(0)
}

// floors says whether pools that have so many members can carry every floor.
func (s standing) floors(v View, got, most map[string]int, endless func(*v1.Pool) bool) bool {
	for _, set := range v.Topology.Services {
		if set.GetFloor() == 0 || !s.keeps("services."+set.Name+".floor") {
			continue
		}
		sum, placed := 0, false
		for _, p := range v.Topology.Pools {
			if slices.Contains(p.Services, set.Name) {
				placed = true
				if sum += got[p.Name]; endless(p) {
					sum += most[p.Name]
				}
			}
		}
		if placed && sum < int(set.GetFloor()) {
			return false
		}
	}
	return true
}
