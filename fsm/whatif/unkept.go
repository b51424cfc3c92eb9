package whatif

import (
	"fmt"
	"slices"
	"strings"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// mostJudged bounds the classes of nodes for which a promise about two nodes is
// judged.
const mostJudged = 1000

// Unkept lists the promises of a topology's `survives` that it does not keep, in
// sentences that name a loss and what would mend it. It is judged as if the
// topology were carried out and settled on today's nodes, whatever is under way
// now. The error wraps placement.ErrImpossible.
func (c *Cluster) Unkept(top *v1.Topology) ([]string, error) {
	if top.GetSurvives() == nil || len(c.Nodes) == 0 {
		// Before the first node registers nothing survives, and that is no mistake.
		return nil, nil
	}
	settled, err := c.Under(top)
	if err != nil {
		return nil, fmt.Errorf("survive: %w", err)
	}
	s := settled.survey()
	promised := topology.Effective(top).GetSurvives()
	kinds := s.harmful(s.promised(promised))
	s.look(kinds, SurviveOptions{})
	return s.unkept(kinds, promised), nil
}

// promised are the kinds of losses that promises are about, as far as they may be
// fatal.
func (s *survey) promised(p *v1.Survives) []*kind {
	var kinds []*kind
	if p.GetNodes() > 0 {
		kinds = append(kinds, s.single()...)
	}
	if p.GetNodes() > 1 && len(s.members) <= mostJudged {
		pairs, _ := s.pairs(true)
		kinds = append(kinds, pairs...)
	}
	if p.GetZones() > 0 {
		kinds = append(kinds, s.zones()...)
	}
	if p.GetRegions() > 0 {
		kinds = append(kinds, s.regions()...)
	}
	return kinds
}

// unkept says which promises losses that were looked at break.
func (s *survey) unkept(kinds []*kind, p *v1.Survives) []string {
	var sentences []string
	judge := func(name string, n uint32, of ...v1.LossKind) {
		if n == 0 {
			return
		}
		if slices.Contains(of, v1.LossKind_LOSS_KIND_ZONE) && len(zonesOf(s.nodes)) == 0 ||
			slices.Contains(of, v1.LossKind_LOSS_KIND_REGION) && len(regionsOf(s.nodes)) == 0 {
			sentences = append(sentences, fmt.Sprintf("survives.%s: %d cannot be judged: no node names one", name, n))
			return
		}
		if sentence := s.breach(kinds, of); sentence != "" {
			sentences = append(sentences, fmt.Sprintf("survives.%s: %d is not kept: %s", name, n, sentence))
		}
	}
	if nodes := p.GetNodes(); nodes > 1 {
		judge("nodes", nodes, v1.LossKind_LOSS_KIND_NODE, v1.LossKind_LOSS_KIND_NODES)
		if len(s.members) > mostJudged {
			sentences = append(sentences, fmt.Sprintf(
				"survives.nodes: %d cannot be judged: rules tell apart %d kinds of nodes, at most %d are paired; promise 1", nodes, len(s.members), mostJudged))
		}
	} else {
		judge("nodes", nodes, v1.LossKind_LOSS_KIND_NODE)
	}
	judge("zones", p.GetZones(), v1.LossKind_LOSS_KIND_ZONE)
	judge("regions", p.GetRegions(), v1.LossKind_LOSS_KIND_REGION)
	if e := s.c.electorate(); p.GetMembers() > 0 && len(e.voters) > 0 && e.bears() < int(p.GetMembers()) {
		sentences = append(sentences, fmt.Sprintf("survives.members: %d is not kept: %d of %s with a vote answer, and %d must; have %d members that answer",
			p.GetMembers(), e.answering, amount(len(e.voters), "member"), len(e.voters)/2+1, 2*p.GetMembers()+1))
	}
	return sentences
}

// breach names the first of the losses that are fatal, and how many more there
// are; empty: none is.
func (s *survey) breach(kinds []*kind, of []v1.LossKind) string {
	var worst *kind
	var name []string
	others := -1
	for _, k := range kinds {
		if !k.harms() || !slices.Contains(of, k.of) {
			continue
		}
		others += k.count
		var first []string
		s.each(k, false, func(lost ...string) { first = lost })
		if worst == nil || len(first) < len(name) {
			worst, name = k, first
		}
	}
	if worst == nil {
		return ""
	}
	sentence := "without " + s.title(worst, name) + ", " + s.costs(worst)
	switch others {
	case 0:
	case 1:
		sentence += "; so it is with 1 other loss"
	default:
		sentence += fmt.Sprintf("; so it is with %d other losses", others)
	}
	if worst.mends == nil {
		worst.mends = s.mender().mends(worst)
	}
	if len(worst.mends) > 0 {
		sentence += "; mend: " + strings.Join(worst.mends, ", or ")
	}
	return sentence
}

// title is a loss in words.
func (s *survey) title(k *kind, name []string) string {
	switch k.of {
	case v1.LossKind_LOSS_KIND_ZONE:
		return "zone " + k.name
	case v1.LossKind_LOSS_KIND_REGION:
		return "region " + k.name
	}
	return strings.Join(name, " and ")
}

// costs says what a loss costs.
func (s *survey) costs(k *kind) string {
	var words []string
	for _, i := range k.atOnce {
		words = append(words, fmt.Sprintf("%s has none ready at once", s.keys[i]))
	}
	for _, i := range k.after {
		words = append(words, fmt.Sprintf("%s stays at %d ready, under its floor of %d", floorWords(s.keys[i]), k.recovered[i], s.floors[i]))
	}
	return strings.Join(words, " and ")
}

// floorWords is the key of a floor in words.
func floorWords(key string) string {
	service, part, _ := strings.Cut(key, "@")
	if part == "" {
		return service
	}
	return service + " in " + part
}
