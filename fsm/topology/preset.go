package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// Why there is no preset.
var (
	// ErrUnknownModel: no model has that name.
	ErrUnknownModel = errors.New("the model is not known")
	// ErrTooFewNodes: the nodes do not give every pool of the model a node.
	ErrTooFewNodes = errors.New("too few nodes")
)

// mix is one pool of a model: its name, what it serves, and its share of the
// nodes.
type mix struct {
	name     string
	services []string
	share    uint64
}

// blueprint is a model: a sentence about it, and its pools. Geographic has none
// here: its pools depend on the regions.
type blueprint struct {
	model, about string
	pools        []mix
	// size is how a pool says its share.
	size func(share, count int) *v1.Pool
}

func byCount(_, count int) *v1.Pool {
	return &v1.Pool{Size: &v1.Pool_Count{Count: uint32(count)}}
}

func byWeight(share, _ int) *v1.Pool {
	return &v1.Pool{Size: &v1.Pool_Weight{Weight: uint32(share)}}
}

func byAll(int, int) *v1.Pool { return &v1.Pool{Size: &v1.Pool_All{All: true}} }

const (
	unified         = "unified"
	serviceSpecific = "service-specific"
	weighted        = "weighted"
	paired          = "paired"
	geographic      = "geographic"
)

// blueprints are the models in the order in which they are told.
var blueprints = []blueprint{
	{
		model: unified, about: "Unified: one pool, and every node serves everything.",
		pools: []mix{{"everything", []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"}, 1}}, size: byAll,
	},
	{
		model: serviceSpecific, about: "Service-specific: each node is dedicated to one service.",
		pools: []mix{
			{"imap", []string{"imap"}, 1}, {"jmap", []string{"jmap"}, 1}, {"webdav", []string{"webdav"}, 1},
			{"mx", []string{"smtp-inbound"}, 1}, {"relay", []string{"smtp-outbound"}, 1},
		}, size: byCount,
	},
	{
		model: weighted, about: "Weighted: the pools share the nodes in proportion to the load that each\nexpects, and grow together when nodes are added.",
		pools: []mix{{"imap", []string{"imap"}, 4}, {"web", []string{"jmap", "webdav"}, 2}, {"mail", smtpServices, 4}}, size: byWeight,
	},
	{
		model: paired, about: "Paired: protocols that belong together share nodes.",
		pools: []mix{{"mailbox", []string{"imap", "jmap"}, 4}, {"files", []string{"webdav"}, 2}, {"mail", smtpServices, 4}}, size: byCount,
	},
	{model: geographic, about: "Geographic: each region has its own mix.", size: byCount},
}

// Models are the names of the topologies that Preset can write.
func Models() []string {
	names := make([]string, len(blueprints))
	for i, b := range blueprints {
		names[i] = b.model
	}
	return names
}

func blueprintOf(model string) (blueprint, error) {
	for _, b := range blueprints {
		if b.model == model {
			return b, nil
		}
	}
	err := fmt.Errorf("%w: %s", ErrUnknownModel, show(model))
	if near, ok := nearest(model, Models()); ok {
		return blueprint{}, fmt.Errorf("%w\n  mend: did you mean %s? The models are %s", err, near, strings.Join(Models(), ", "))
	}
	return blueprint{}, fmt.Errorf("%w\n  mend: the models are %s", err, strings.Join(Models(), ", "))
}

// Preset is the topology of a model, written for these nodes: each of its pools
// gets a node at least, and ten nodes give the table of the examples. Counts and
// regions are those of the nodes; a node whose claims list no service can run
// every one. The result belongs to the caller and depends on the nodes' claims
// and regions alone, not on their order. ErrUnknownModel, ErrTooFewNodes.
func Preset(model string, nodes []*v1.Node) (*v1.Topology, error) {
	b, err := blueprintOf(model)
	if err != nil {
		return nil, err
	}
	t := &v1.Topology{Name: model}
	if model == geographic {
		t.Pools, err = regional(nodes)
	} else {
		t.Pools, err = b.fill(nodes)
	}
	if err != nil {
		return nil, fmt.Errorf("the model %s: %w", model, err)
	}
	return t, nil
}

// fill gives the pools of a model their sizes.
func (b blueprint) fill(nodes []*v1.Node) ([]*v1.Pool, error) {
	counts, lack := seatsOf(b.pools, nodes)
	if lack != nil {
		return nil, lack.explain("", b.pools, nodes)
	}
	pools := make([]*v1.Pool, len(b.pools))
	for i, m := range b.pools {
		pools[i] = b.size(int(m.share), counts[i])
		pools[i].Name, pools[i].Services = m.name, slices.Clone(m.services)
	}
	return pools, nil
}

// shortOf is a set of pools that together are eligible for fewer nodes than
// they are pools.
type shortOf struct {
	pools []int
	have  int
}

// explain says how many nodes are needed, and of which kind where that is what
// is the matter.
func (s *shortOf) explain(where string, pools []mix, nodes []*v1.Node) error {
	if len(nodes) < len(pools) {
		return fmt.Errorf("%w: it needs %s%s, one for each of its pools %s, and there %s %d",
			ErrTooFewNodes, amount(len(pools), "node"), where, poolNames(pools), isAre(len(nodes)), len(nodes))
	}
	var names, services []string
	for _, i := range s.pools {
		names = append(names, pools[i].name)
		services = append(services, strings.Join(pools[i].services, " and "))
	}
	return fmt.Errorf("%w: %s %s%s %s %s that %s %s, and of the %d nodes%s %d can", ErrTooFewNodes,
		map[bool]string{true: "pool", false: "pools"}[len(names) == 1], strings.Join(names, ", "), where,
		map[bool]string{true: "needs", false: "need"}[len(names) == 1],
		amount(len(names), "node"), map[bool]string{true: "runs", false: "run"}[len(names) == 1],
		strings.Join(services, ", or "), len(nodes), where, s.have)
}

func poolNames(pools []mix) string {
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// canRun says whether a node can run all of these services.
func canRun(n *v1.Node, services []string) bool {
	claims := n.GetClaims().GetServices()
	if len(claims) == 0 {
		return true
	}
	for _, s := range services {
		if !slices.ContainsFunc(claims, func(c *v1.ServiceClaim) bool { return c.GetName() == s }) {
			return false
		}
	}
	return true
}

// seatsOf shares nodes out among at most a handful of pools: first one each,
// then by Sainte-Laguë, one seat at a time to the best-entitled pool that can be
// filled together with all seats given so far. Where not every pool gets one it
// returns a smallest set of pools that is the reason.
func seatsOf(pools []mix, nodes []*v1.Node) (counts []int, lack *shortOf) {
	// eligible[set] is how many nodes may be members of some pool of the set, and
	// seats fit if no set of pools has more of them than that (Hall's theorem).
	all := 1 << len(pools)
	kinds := make([]int, all)
	for _, n := range nodes {
		fits := 0
		for i, p := range pools {
			if canRun(n, p.services) {
				fits |= 1 << i
			}
		}
		kinds[fits]++
	}
	eligible := make([]int, all)
	for set := range all {
		for fits, n := range kinds {
			if fits&set != 0 {
				eligible[set] += n
			}
		}
	}
	counts = make([]int, len(pools))
	for i := range pools {
		counts[i] = 1
	}
	taken := func(set int) (n int) {
		for i, c := range counts {
			if set&(1<<i) != 0 {
				n += c
			}
		}
		return n
	}
	for set := 1; set < all; set++ {
		if taken(set) <= eligible[set] {
			continue
		}
		members := setOf(set, len(pools))
		if lack == nil || len(members) < len(lack.pools) {
			lack = &shortOf{pools: members, have: eligible[set]}
		}
	}
	if lack != nil {
		return nil, lack
	}
	full := make([]bool, len(pools))
	for taken(all-1) < len(nodes) {
		best := -1
		for i, p := range pools {
			// share/(2·count+1), compared without a division; ties to the first.
			if !full[i] && (best < 0 || p.share*uint64(2*counts[best]+1) > pools[best].share*uint64(2*counts[i]+1)) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		counts[best]++
		for set := 1; set < all; set++ {
			if set&(1<<best) != 0 && taken(set) > eligible[set] {
				counts[best]--
				full[best] = true // no later seat makes room again
				break
			}
		}
	}
	return counts, nil
}

func setOf(set, n int) (members []int) {
	for i := range n {
		if set&(1<<i) != 0 {
			members = append(members, i)
		}
	}
	return members
}
