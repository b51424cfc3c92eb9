package whatif

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

const (
	// MostConcrete is up to how many nodes every loss is looked at and listed by
	// itself; of more, those that no rule tells apart are once.
	MostConcrete = 64
	// MostPaired is up to how many nodes losses of two are looked at.
	MostPaired = 1000
	// MostFatal bounds the fatal losses that are listed each by itself.
	MostFatal = 1000
	// mostWorkedOut bounds the kinds of losses of which both figures are worked out.
	// Of more, only those are that take a service below its floor.
	mostWorkedOut = MostConcrete * (MostConcrete + 1) / 2
)

// SurviveOptions says which losses are looked at, and who is told how far it is.
type SurviveOptions struct {
	// Also every two nodes.
	Pairs bool
	// Called after each loss that was looked at; nil: nobody is told.
	Progress func(done, all int)
	// Asked before each loss and each mend; true: nobody wants the answer any more.
	// nil: somebody does.
	Stop func() bool
}

func (o SurviveOptions) stopped() bool { return o.Stop != nil && o.Stop() }

// Survive looks at every loss of a node, two nodes, a zone, a region, members. It
// is nil where it was stopped.
func (c *Cluster) Survive(o SurviveOptions) *v1.SurviveResponse {
	s := c.survey()
	answer := &v1.SurviveResponse{}
	kinds, skipped := s.few(slices.Concat(s.single(), s.zones(), s.regions()))
	switch {
	case !o.Pairs:
	case len(s.nodes) > MostPaired:
		answer.LeftOut = fmt.Sprintf("losses of two nodes are looked at up to %d nodes, and there are %d", MostPaired, len(s.nodes))
	default:
		pairs, harmless := s.pairs(len(s.members)*(len(s.members)+1)/2 > mostWorkedOut)
		kinds, skipped = append(kinds, pairs...), skipped+harmless
	}
	if skipped > 0 {
		answer.LeftOut = strings.TrimPrefix(answer.LeftOut+"; ", "; ") +
			fmt.Sprintf("%s of losses that leave every service its floor at once are not listed: there are too many kinds", amount(skipped, "kind"))
	}
	if !s.look(kinds, o) {
		return nil
	}
	answer.Unkept = s.unkept(kinds, c.Topology.GetSurvives())
	m := s.mender()
	var fatalAtOnce, fatal []*kind
	for _, k := range kinds {
		if len(k.atOnce) > 0 {
			fatalAtOnce = append(fatalAtOnce, k)
		}
		if len(k.after) > 0 {
			fatal = append(fatal, k)
		}
		if k.harms() {
			if o.stopped() {
				return nil
			}
			k.mends = m.mends(k)
		}
	}
	answer.Losses = append(s.written(kinds, len(s.nodes) <= MostConcrete), s.lostMembers()...)
	answer.FatalAtOnce = s.written(fatalAtOnce, concretely(fatalAtOnce))
	answer.Fatal = s.written(fatal, concretely(fatal))
	return answer
}

// kind is losses that are looked at once.
type kind struct {
	of     v1.LossKind
	name   string // of a zone or region
	nodes  []int  // of one of them
	groups []int  // of nodes; of zones and regions: none
	count  int    // how many they are
	alike  int    // how many no rule tells apart
	outcome
	atOnce, after []int // floors that it costs, see broken
	mends         []string
}

func (k *kind) harms() bool { return len(k.atOnce)+len(k.after) > 0 }

// few leaves harmless losses out where there are too many, and counts them.
func (s *survey) few(kinds []*kind) (left []*kind, skipped int) {
	if len(kinds) <= mostWorkedOut {
		return kinds, 0
	}
	left = s.harmful(slices.Clone(kinds))
	return left, len(kinds) - len(left)
}

// harmful are the losses that may be fatal.
func (s *survey) harmful(kinds []*kind) []*kind {
	return slices.DeleteFunc(kinds, func(k *kind) bool { return s.harmless(k.nodes) })
}

// look works out what becomes of losses. It says whether it came to the end.
func (s *survey) look(kinds []*kind, o SurviveOptions) bool {
	for i, k := range kinds {
		if o.stopped() {
			return false
		}
		k.outcome = s.outcome(k.nodes)
		k.atOnce, k.after = s.broken(k.outcome)
		if o.Progress != nil {
			o.Progress(i+1, len(kinds))
		}
	}
	return true
}

// single is every kind of losing one node.
func (s *survey) single() []*kind {
	var kinds []*kind
	for group, members := range s.members {
		kinds = append(kinds, &kind{
			of: v1.LossKind_LOSS_KIND_NODE, nodes: members[:1], groups: []int{group}, count: len(members), alike: s.sizes[s.class[group]],
		})
	}
	return kinds
}

// pairs is every kind of losing two nodes; those that are harmless may be left
// out, and are counted.
func (s *survey) pairs(harmful bool) (kinds []*kind, skipped int) {
	for a, first := range s.members {
		for b := a; b < len(s.members); b++ {
			second := s.members[b]
			k := &kind{of: v1.LossKind_LOSS_KIND_NODES, groups: []int{a, b}, nodes: []int{first[0], second[0]}, count: len(first) * len(second)}
			if a == b {
				if len(first) < 2 {
					continue
				}
				k.nodes, k.count = first[:2], len(first)*(len(first)-1)/2
			}
			if k.alike = s.sizes[s.class[a]] * s.sizes[s.class[b]]; s.class[a] == s.class[b] {
				k.alike = s.sizes[s.class[a]] * (s.sizes[s.class[a]] - 1) / 2
			}
			if harmful && s.harmless(k.nodes) {
				skipped++
				continue
			}
			kinds = append(kinds, k)
		}
	}
	return kinds, skipped
}

func (s *survey) zones() []*kind { return s.places(v1.LossKind_LOSS_KIND_ZONE, zonesOf(s.nodes)) }

func (s *survey) regions() []*kind {
	return s.places(v1.LossKind_LOSS_KIND_REGION, regionsOf(s.nodes))
}

func (s *survey) places(of v1.LossKind, places map[string][]string) []*kind {
	at := make(map[string]int, len(s.nodes))
	for i, n := range s.nodes {
		at[n.GetId()] = i
	}
	var kinds []*kind
	for _, name := range slices.SortedFunc(maps.Keys(places), placement.Compare) {
		k := &kind{of: of, name: name, count: 1, alike: 1}
		for _, id := range places[name] {
			k.nodes = append(k.nodes, at[id])
		}
		kinds = append(kinds, k)
	}
	return kinds
}

// concretely: there are few enough to list each by itself.
func concretely(kinds []*kind) bool {
	n := 0
	for _, k := range kinds {
		n += k.count
	}
	return n <= MostFatal
}

// written lists losses by kind, then by name: each by itself, or each kind once.
func (s *survey) written(kinds []*kind, concrete bool) []*v1.Loss {
	var losses []*v1.Loss
	for _, k := range kinds {
		services := s.services(k.outcome)
		write := func(lost ...string) {
			losses = append(losses, &v1.Loss{Kind: k.of, Lost: lost, Services: services, Mends: k.mends, Alike: uint32(k.alike), Quorum: true})
		}
		s.each(k, concrete, write)
	}
	slices.SortStableFunc(losses, func(a, b *v1.Loss) int {
		return cmp.Or(cmp.Compare(a.GetKind(), b.GetKind()), slices.CompareFunc(a.GetLost(), b.GetLost(), placement.Compare))
	})
	return losses
}

// each names the losses of a kind, or one of them.
func (s *survey) each(k *kind, concrete bool, write func(lost ...string)) {
	id := func(i int) string { return s.nodes[i].GetId() }
	switch {
	case len(k.groups) == 0:
		write(k.name)
	case !concrete && len(k.groups) == 1:
		write(id(k.nodes[0]))
	case !concrete:
		write(id(min(k.nodes[0], k.nodes[1])), id(max(k.nodes[0], k.nodes[1])))
	case len(k.groups) == 1:
		for _, i := range s.members[k.groups[0]] {
			write(id(i))
		}
	default:
		same := k.groups[0] == k.groups[1]
		for _, i := range s.members[k.groups[0]] {
			for _, j := range s.members[k.groups[1]] {
				if !same || i < j {
					write(id(min(i, j)), id(max(i, j)))
				}
			}
		}
	}
}

func (s *survey) services(o outcome) []*v1.ServiceLoss {
	var services []*v1.ServiceLoss
	for i, key := range s.keys {
		services = append(services, s.c.serviceLoss(key, s.ready[i], o.ready[i], o.recovered[i]))
	}
	return services
}

// lostMembers is the loss of each number of members: nodes serve on, and without a
// quorum nothing is mended.
func (s *survey) lostMembers() []*v1.Loss {
	e := s.c.electorate()
	var losses []*v1.Loss
	for n := 1; n <= len(e.voters); n++ {
		lost, loss := map[string]bool{}, &v1.Loss{Kind: v1.LossKind_LOSS_KIND_MEMBERS, Alike: choose(len(e.voters), n)}
		for _, m := range e.voters[:n] {
			lost[m.GetId()], loss.Lost = true, append(loss.Lost, memberName(m))
		}
		_, loss.Quorum = e.without(lost)
		loss.Services = s.services(outcome{ready: s.ready, recovered: s.ready})
		losses = append(losses, loss)
	}
	return losses
}

// choose is in how many ways k of n can be chosen.
func choose(n, k int) uint32 {
	ways := 1
	for i := 1; i <= k; i++ {
		ways = ways * (n - k + i) / i
	}
	return uint32(ways)
}
