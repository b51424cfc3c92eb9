package whatif

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roster/fsm/placement"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// Names of what may be lost that name nothing. The messages that wrap them say
// what there is.
var (
	ErrUnknownZone   = errors.New("there is no such zone")
	ErrUnknownRegion = errors.New("there is no such region")
	ErrUnknownMember = errors.New("there is no such member")
	ErrUnknownKind   = errors.New("this cannot be lost")
)

// subject is what a loss is of.
type subject struct {
	kind    v1.LossKind // UNSPECIFIED where kinds differ
	lost    []named
	nodes   map[string]bool
	members map[string]bool // by id
}

// named is one thing that is lost.
type named struct{ kind, name string }

// kindWords are the kinds by which things are named, what is wider first.
var kindWords = []string{"region", "zone", "member", "node"}

// names are what is lost; where the kind of the loss does not say of what kind
// they are, each says so: `zone:a1`.
func (s *subject) names() []string {
	var names []string
	for _, l := range s.lost {
		if s.kind == v1.LossKind_LOSS_KIND_UNSPECIFIED {
			l.name = l.kind + ":" + l.name
		}
		names = append(names, l.name)
	}
	return names
}

// resolve reads the names of losses.
func (c *Cluster) resolve(fail []string) (subject, error) {
	s := subject{nodes: map[string]bool{}, members: map[string]bool{}}
	for i, word := range fail {
		kind, err := s.add(c, word)
		if err != nil {
			return subject{}, fmt.Errorf("lose %q: %w", word, err)
		}
		switch {
		case i == 0:
			s.kind = kind
		case s.kind != kind:
			s.kind = v1.LossKind_LOSS_KIND_UNSPECIFIED
		}
	}
	slices.SortFunc(s.lost, func(a, b named) int {
		return cmp.Or(slices.Index(kindWords, a.kind)-slices.Index(kindWords, b.kind), placement.Compare(a.name, b.name))
	})
	s.lost = slices.Compact(s.lost)
	switch {
	case s.kind == v1.LossKind_LOSS_KIND_NODE && len(s.lost) > 1:
		s.kind = v1.LossKind_LOSS_KIND_NODES
	case (s.kind == v1.LossKind_LOSS_KIND_ZONE || s.kind == v1.LossKind_LOSS_KIND_REGION) && len(s.lost) > 1:
		s.kind = v1.LossKind_LOSS_KIND_UNSPECIFIED
	}
	return s, nil
}

func (s *subject) add(c *Cluster, word string) (v1.LossKind, error) {
	kind, name, prefixed := strings.Cut(word, ":")
	if !prefixed {
		kind, name = "node", word
	}
	switch kind {
	case "node":
		ids := make([]string, len(c.Nodes))
		for i, n := range c.Nodes {
			ids[i] = n.GetId()
		}
		if !slices.Contains(ids, name) {
			return 0, unknown(ErrUnknownNode, "nodes", name, ids)
		}
		s.nodes[name], s.lost = true, append(s.lost, named{kind, name})
		return v1.LossKind_LOSS_KIND_NODE, nil
	case "zone":
		return v1.LossKind_LOSS_KIND_ZONE, s.addPlace(zonesOf(c.Nodes), kind, name, ErrUnknownZone, "zones")
	case "region":
		return v1.LossKind_LOSS_KIND_REGION, s.addPlace(regionsOf(c.Nodes), kind, name, ErrUnknownRegion, "regions")
	case "member":
		var names []string
		for _, m := range c.Members {
			if m.GetName() == name || m.GetId() == name {
				s.members[m.GetId()], s.lost = true, append(s.lost, named{kind, memberName(m)})
				return v1.LossKind_LOSS_KIND_MEMBERS, nil
			}
			names = append(names, memberName(m))
		}
		return 0, unknown(ErrUnknownMember, "members", name, names)
	}
	return 0, fmt.Errorf("%w: write node:ID, zone:NAME, region:NAME or member:NAME", ErrUnknownKind)
}

func (s *subject) addPlace(places map[string][]string, kind, name string, sentinel error, what string) error {
	nodes := places[name]
	if nodes == nil {
		return unknown(sentinel, what, name, slices.Collect(maps.Keys(places)))
	}
	for _, id := range nodes {
		s.nodes[id] = true
	}
	s.lost = append(s.lost, named{kind, name})
	return nil
}

// mostNamed bounds how many names a message lists.
const mostNamed = 12

func unknown(sentinel error, what, name string, names []string) error {
	slices.SortFunc(names, placement.Compare)
	mend := "there are no " + what
	switch more := len(names) - mostNamed; {
	case more > 0:
		mend = fmt.Sprintf("there are %s and %d more", strings.Join(names[:mostNamed], ", "), more)
	case len(names) > 0:
		mend = "there are " + strings.Join(names, ", ")
	}
	if near, ok := topology.Nearest(name, names); ok {
		mend = fmt.Sprintf("did you mean %s? %s", near, mend)
	}
	return fmt.Errorf("%w: %s", sentinel, mend)
}

func memberName(m *v1.Member) string {
	if m.GetName() != "" {
		return m.GetName()
	}
	return m.GetId()
}

// regionsOf lists the ids of the nodes in each region.
func regionsOf(nodes []*v1.Node) map[string][]string {
	places := map[string][]string{}
	for _, n := range nodes {
		if n.GetRegion() != "" {
			places[n.GetRegion()] = append(places[n.GetRegion()], n.GetId())
		}
	}
	return places
}

// zonesOf lists the ids of the nodes in each zone. A zone lies in its region:
// where two regions have one of the same name, they are named region/zone.
func zonesOf(nodes []*v1.Node) map[string][]string {
	regions := map[string]map[string]bool{}
	for _, n := range nodes {
		if n.GetZone() == "" {
			continue
		}
		if regions[n.GetZone()] == nil {
			regions[n.GetZone()] = map[string]bool{}
		}
		regions[n.GetZone()][n.GetRegion()] = true
	}
	places := map[string][]string{}
	for _, n := range nodes {
		name := n.GetZone()
		if name == "" {
			continue
		}
		if len(regions[name]) > 1 {
			name = n.GetRegion() + "/" + name
		}
		places[name] = append(places[name], n.GetId())
	}
	return places
}
