package status

import (
	"fmt"
	"strings"

	v1 "roster/proto/roster/v1"
)

// lost says what is not as it should be: members, nodes, floors, services, and
// seats that nobody can fill.
func (t *teller) lost() {
	t.said = append(t.said, describeMembers(t.s, t.in)...)
	if down := t.inState(v1.NodeState_NODE_STATE_DOWN); len(down) > 0 {
		t.say("Down: %s. %s services count as not ready; %s unchanged.", list(down),
			plural(len(down), "Its", "Their"), plural(len(down), "its set is", "their sets are"))
	}
	if suspect := t.inState(v1.NodeState_NODE_STATE_SUSPECT); len(suspect) > 0 {
		t.say("Suspect: %s. %s not heard lately.", list(suspect), plural(len(suspect), "It was", "They were"))
	}
	t.outOfReach()
	for _, name := range sortedServices(t.s) {
		row := t.s.GetServices()[name]
		switch {
		case row.GetReady() < row.GetFloorInForce():
			t.say("%s has %d ready, its floor is %d.", name, row.GetReady(), row.GetFloorInForce())
		case row.GetReady() < row.GetFloor():
			t.say("%s has %d ready; its floor of %d is kept once it is reached.", name, row.GetReady(), row.GetFloor())
		}
	}
	for i, x := range t.f.failing {
		if i == mostOfAKind {
			t.say("And %d more not ready.", len(t.f.failing)-i)
			break
		}
		t.say("%s on %s is not ready%s.", x.service, x.node, because(x.why))
	}
	for _, short := range t.s.GetShortages() {
		t.say("Short: %s", short.GetReason())
	}
	sayEach(t, t.s.GetSurvival().GetUnkept(), func(promise string) string { return "Promised under survives, and not true: " + promise })
	if t.f.impossible != "" {
		t.say("Nothing can be placed: %s", t.f.impossible)
	}
}

// inState are the nodes in a state.
func (t *teller) inState(state v1.NodeState) []string {
	return t.nodes(func(n *v1.Node) bool { return n.GetState() == state })
}

// nodes are the ids of those that are so.
func (t *teller) nodes(so func(*v1.Node) bool) (ids []string) {
	for _, n := range t.f.nodes {
		if so(n) {
			ids = append(ids, n.GetId())
		}
	}
	return ids
}

// which are the nodes that are so.
func (t *teller) which(so func(*v1.Node) bool) (nodes []*v1.Node) {
	for _, n := range t.f.nodes {
		if so(n) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// outOfReach says whose agents do not do what they are told, and why.
func (t *teller) outOfReach() {
	sayEach(t, t.which(isAhead), func(n *v1.Node) string {
		return fmt.Sprintf("%s is ahead: its agent holds set %d of epoch %d, newer than the cluster knows. It serves on and follows nothing.",
			n.GetId(), n.GetAhead().GetGeneration(), n.GetAhead().GetEpoch())
	})
	sayEach(t, t.which(isFrozen), func(n *v1.Node) string {
		return fmt.Sprintf("%s is frozen on its host%s. Its agent touches nothing.", n.GetId(), because(n.GetFrozen()))
	})
	if unconfirmed := t.nodes((*v1.Node).GetUnconfirmed); len(unconfirmed) > 0 {
		t.say("Not heard since the cluster was restored: %s. What %s is not known yet, and nothing is asked of %s.",
			list(unconfirmed), plural(len(unconfirmed), "it really serves", "they really serve"), plural(len(unconfirmed), "it", "them"))
	}
}

func isAhead(n *v1.Node) bool { return n.GetAhead() != nil }

func isFrozen(n *v1.Node) bool { return n.GetFrozen() != "" }

func isDown(n *v1.Node) bool { return n.GetState() == v1.NodeState_NODE_STATE_DOWN }

func observes(n *v1.Node) bool { return n.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE }

// enumerate is words as in a sentence: `imap, jmap and webdav`.
func enumerate(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}
