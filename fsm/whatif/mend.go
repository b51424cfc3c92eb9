package whatif

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// mostTried bounds the losses that a mend is tried against; one that leaves more of
// them harmful is none.
const mostTried = 200

// mender looks for changes after which losses are survived, and tries each: it is
// carried out on a hypothetical cluster, and that is looked at again.
type mender struct {
	s     *survey
	short int // shortages as it is
	// What was found, and what came of a candidate, by what was asked.
	found map[string][]string
	tried map[string]*survey
}

func (s *survey) mender() *mender {
	m := &mender{s: s, found: map[string][]string{}, tried: map[string]*survey{}}
	if _, target, err := s.c.settled(s.c.Topology); err == nil {
		m.short = len(target.Shortages)
	}
	return m
}

// mends says what makes losses like this one survivable, in sentences: one change
// that saves every service, or else one for each that can be saved.
func (m *mender) mends(k *kind) []string {
	broken := slices.Concat(k.atOnce, k.after)
	slices.Sort(broken)
	broken = slices.Compact(broken)
	if all := m.search(k, broken); all != "" {
		return []string{all}
	}
	var each []string
	for _, key := range broken {
		if one := m.search(k, []int{key}); one != "" && len(broken) > 1 && !slices.Contains(each, one) {
			each = append(each, one)
		}
	}
	return each
}

// search finds the smallest change that saves some services from every loss of the
// same sort; empty: there is none that was thought of.
func (m *mender) search(k *kind, keys []int) string {
	asked := fmt.Sprint(k.of, keys)
	if found, known := m.found[asked]; known {
		return strings.Join(found, "")
	}
	m.found[asked] = nil
	for _, c := range m.candidates(k, keys) {
		if after := m.try(c); after != nil && m.saves(after, k.of, keys) {
			m.found[asked] = []string{c.words}
			return c.words
		}
	}
	return ""
}

// try is a candidate carried out on today's nodes; nil: it cannot be, or something
// else would be short.
func (m *mender) try(c candidate) *survey {
	if after, known := m.tried[c.words]; known {
		return after
	}
	m.tried[c.words] = nil
	top := proto.CloneOf(m.s.c.Topology)
	c.change(top)
	if !sound(top) {
		return nil
	}
	as := *m.s.c
	as.Nodes = append(slices.Clone(as.Nodes), c.nodes...)
	settled, target, err := as.settled(topology.Effective(top))
	if err != nil || len(target.Shortages) > m.short {
		return nil
	}
	m.tried[c.words] = settled.survey()
	return m.tried[c.words]
}

// sound: a topology could be applied, as far as a mend touches it. Durations are
// not judged: those in force may be shorter than a file may ask for.
func sound(top *v1.Topology) bool {
	judged := proto.CloneOf(top)
	judged.Policy = nil
	return topology.Validate(judged) == nil
}

// saves: no loss of the sort costs the services any more, and no other service is
// the worse for it.
func (m *mender) saves(after *survey, of v1.LossKind, keys []int) bool {
	saved := map[string]bool{}
	for _, key := range keys {
		saved[m.s.keys[key]] = true
	}
	was := m.s.fragile(of)
	for key := range after.fragile(of) {
		if saved[key] || !was[key] {
			return false
		}
	}
	tried := 0
	for _, k := range after.sort(of) {
		if after.harmless(k.nodes) {
			continue
		}
		if tried++; tried > mostTried {
			return false
		}
		_, broken := after.broken(after.outcome(k.nodes))
		if slices.ContainsFunc(broken, func(key int) bool { return saved[after.keys[key]] }) {
			return false
		}
	}
	return true
}

// sort is every kind of losses of one sort.
func (s *survey) sort(of v1.LossKind) []*kind {
	switch of {
	case v1.LossKind_LOSS_KIND_NODE:
		return s.single()
	case v1.LossKind_LOSS_KIND_NODES:
		kinds, _ := s.pairs(false)
		return kinds
	case v1.LossKind_LOSS_KIND_ZONE:
		return s.zones()
	}
	return s.regions()
}

// fragile are the services that some loss of a sort leaves without any ready node
// at once.
func (s *survey) fragile(of v1.LossKind) map[string]bool {
	fragile := map[string]bool{}
	for _, k := range s.sort(of) {
		for key, ready := range s.atOnce(k.nodes) {
			if s.silenced(key, ready) {
				fragile[s.keys[key]] = true
			}
		}
	}
	return fragile
}
