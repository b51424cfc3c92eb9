package whatif

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	v1 "roster/proto/roster/v1"
)

// mostMore bounds by how much a pool is enlarged.
const mostMore = 8

// candidate is a change that may mend a loss.
type candidate struct {
	// As the operator would say it.
	words  string
	change func(top *v1.Topology)
	// Nodes that it takes besides.
	nodes []*v1.Node
}

// candidates lists what may save some services, the smallest change first: the word
// that lets Roster repair; a pool spread over what was lost; a pool enlarged, by as
// little as possible; a pool elsewhere; one more node; and the same with one more node.
func (m *mender) candidates(k *kind, keys []int) []candidate {
	var services []string
	for _, key := range keys {
		service, _, _ := strings.Cut(m.s.keys[key], "@")
		if !slices.Contains(services, service) {
			services = append(services, service)
		}
	}
	all := slices.Concat(m.automatic(), m.spread(k, services), m.enlarge(services), m.elsewhere(services))
	if extra, words := m.oneMore(services, k.of); extra != nil {
		all = append(all, candidate{words, func(*v1.Topology) {}, []*v1.Node{extra}})
		for _, c := range append(m.enlarge(services), m.elsewhere(services)...) {
			all = append(all, candidate{words + ", and " + c.words, c.change, []*v1.Node{extra}})
		}
	}
	return all
}

// automatic lets Roster act by itself.
func (m *mender) automatic() []candidate {
	policy := m.s.c.Topology.GetPolicy()
	if policy.GetRepair() == v1.Automation_AUTOMATION_AUTO || policy.GetRepair() == v1.Automation_AUTOMATION_UNSPECIFIED {
		return nil
	}
	return []candidate{{words: "policy: repair: auto", change: func(top *v1.Topology) { top.Policy.Repair = v1.Automation_AUTOMATION_AUTO }}}
}

// spread puts the members of a pool apart.
func (m *mender) spread(k *kind, services []string) []candidate {
	label := map[v1.LossKind]string{v1.LossKind_LOSS_KIND_ZONE: "zone", v1.LossKind_LOSS_KIND_REGION: "region"}[k.of]
	if label == "" {
		return nil
	}
	var all []candidate
	for i, p := range m.pools(services) {
		if p == nil || slices.Contains(p.GetSpread(), label) {
			continue
		}
		keys := append([]string{label}, p.GetSpread()...)
		if label == "zone" && slices.Contains(p.GetSpread(), "region") {
			keys = append(slices.Clone(p.GetSpread()), label)
		}
		all = append(all, candidate{
			words:  fmt.Sprintf("pool %s: spread: [%s]", p.GetName(), strings.Join(keys, ", ")),
			change: func(top *v1.Topology) { top.Pools[i].Spread = keys },
		})
	}
	return all
}

// enlarge gives pools more members.
func (m *mender) enlarge(services []string) []candidate {
	var all []candidate
	for more := uint32(1); more <= mostMore; more++ {
		for i, p := range m.pools(services) {
			if p == nil {
				continue
			}
			switch size := p.Size.(type) {
			case *v1.Pool_Count:
				n := size.Count + more
				all = append(all, candidate{
					words:  fmt.Sprintf("pool %s: count %d instead of %d", p.GetName(), n, size.Count),
					change: func(top *v1.Topology) { top.Pools[i].Size = &v1.Pool_Count{Count: n} },
				})
			case *v1.Pool_Weight:
				n := size.Weight + more
				all = append(all, candidate{
					words:  fmt.Sprintf("pool %s: weight %d instead of %d", p.GetName(), n, size.Weight),
					change: func(top *v1.Topology) { top.Pools[i].Size = &v1.Pool_Weight{Weight: n} },
				})
			}
		}
	}
	return all
}

// pools are the pools of the topology, nil in the place of those that lack one of
// the services.
func (m *mender) pools(services []string) []*v1.Pool {
	pools := slices.Clone(m.s.c.Topology.GetPools())
	for i, p := range pools {
		if slices.ContainsFunc(services, func(s string) bool { return !slices.Contains(p.GetServices(), s) }) {
			pools[i] = nil
		}
	}
	return pools
}

// elsewhere adds a pool with the services where none of them is ready now: in
// another region, in another zone, or at least on another node.
func (m *mender) elsewhere(services []string) []candidate {
	carriers := m.carriers(services)
	var all []candidate
	for _, label := range []string{"region", "zone"} {
		taken, free := m.values(label, carriers)
		if len(taken) > 0 && len(free) > 0 {
			where := map[string]*v1.LabelValues{label: {Values: free}}
			all = append(all, m.another(services, fmt.Sprintf("outside %s", placesOf(label, taken)), fmt.Sprintf(", where: {%s: [%s]}", label, strings.Join(free, ", ")),
				func(p *v1.Pool) { p.Where = where })...)
		}
	}
	if ids := slices.SortedFunc(maps.Keys(carriers), placement.Compare); len(ids) > 0 && len(ids) <= mostNamed {
		all = append(all, m.another(services, "on other nodes", fmt.Sprintf(", exclude: [%s]", strings.Join(ids, ", ")),
			func(p *v1.Pool) { p.Exclude = ids })...)
	}
	return all
}

// another is a pool of one node: with a node of its own, or a shared one.
func (m *mender) another(services []string, at, yaml string, bind func(*v1.Pool)) []candidate {
	name := services[0] + "-elsewhere"
	for slices.ContainsFunc(m.s.c.Topology.GetPools(), func(p *v1.Pool) bool { return p.GetName() == name }) {
		name += "-2"
	}
	var all []candidate
	for _, shared := range []bool{false, true} {
		kind, key := "a pool", ""
		if shared {
			kind, key = "a shared pool", ", shared: true"
		}
		all = append(all, candidate{
			words: fmt.Sprintf("%s with %s %s: {name: %s, services: [%s], count: 1%s%s}", kind, strings.Join(services, " and "), at, name, strings.Join(services, ", "), key, yaml),
			change: func(top *v1.Topology) {
				p := &v1.Pool{Name: name, Services: services, Size: &v1.Pool_Count{Count: 1}, Shared: shared}
				bind(p)
				top.Pools = append(top.Pools, p)
			},
		})
	}
	return all
}

// carriers are the nodes where one of the services is ready.
func (m *mender) carriers(services []string) map[string]*v1.Node {
	carriers := map[string]*v1.Node{}
	for _, n := range m.s.nodes {
		if slices.ContainsFunc(services, func(s string) bool { return rollout.Ready(n, s) }) {
			carriers[n.GetId()] = n
		}
	}
	return carriers
}

// values are the values of a label that carriers have, and those that only others
// have.
func (m *mender) values(label string, carriers map[string]*v1.Node) (taken, free []string) {
	all := map[string]bool{}
	for _, n := range m.s.nodes {
		if value, there := placement.Label(n, label); there {
			all[value] = all[value] || carriers[n.GetId()] != nil
		}
	}
	for _, value := range slices.SortedFunc(maps.Keys(all), placement.Compare) {
		if all[value] {
			taken = append(taken, value)
		} else {
			free = append(free, value)
		}
	}
	return taken, free
}

func placesOf(label string, names []string) string {
	if len(names) == 1 {
		return label + " " + names[0]
	}
	return label + "s " + strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// oneMore is a node like one of those that serve now, and where there is a place
// that none of them is in, there.
func (m *mender) oneMore(services []string, of v1.LossKind) (extra *v1.Node, words string) {
	carriers := m.carriers(services)
	if len(carriers) == 0 {
		return nil, ""
	}
	like := carriers[slices.MinFunc(slices.Collect(maps.Keys(carriers)), placement.Compare)]
	extra = proto.CloneOf(like)
	extra.Id, extra.Assignments, extra.Reports, extra.Holds = "one-more", nil, nil, nil
	words = "one more node like " + like.GetId()
	label := map[v1.LossKind]string{v1.LossKind_LOSS_KIND_ZONE: "zone", v1.LossKind_LOSS_KIND_REGION: "region"}[of]
	if label == "" {
		return extra, words
	}
	for _, n := range m.s.nodes {
		mine, _ := placement.Label(like, label)
		if other, there := placement.Label(n, label); there && mine != other {
			extra.Region, extra.Zone = n.GetRegion(), n.GetZone()
			return extra, words + fmt.Sprintf(" in %s %s", label, other)
		}
	}
	return nil, ""
}
