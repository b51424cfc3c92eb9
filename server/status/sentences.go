package status

import (
	"fmt"
	"slices"
	"strings"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// describe writes the sentences below the first word: what was lost, what
// Roster waits for, what you can do.
func describe(s *v1.Status, in Input, f findings) {
	say := func(format string, a ...any) { s.Sentences = append(s.Sentences, fmt.Sprintf(format, a...)) }

	s.Sentences = append(s.Sentences, describeMembers(s, in)...)
	lost := map[v1.NodeState][]string{}
	var cordoned []string
	for _, row := range s.GetNodes() {
		lost[row.GetState()] = append(lost[row.GetState()], row.GetId())
		if row.GetCordoned() {
			cordoned = append(cordoned, row.GetId())
		}
	}
	if down := lost[v1.NodeState_NODE_STATE_DOWN]; len(down) > 0 {
		whose, sets := "Their", "their sets are"
		if len(down) == 1 {
			whose, sets = "Its", "its set is"
		}
		say("Down: %s. %s services count as not ready; %s unchanged.", list(down), whose, sets)
	}
	if suspect := lost[v1.NodeState_NODE_STATE_SUSPECT]; len(suspect) > 0 {
		they := "They were"
		if len(suspect) == 1 {
			they = "It was"
		}
		say("Suspect: %s. %s not heard lately.", list(suspect), they)
	}
	for _, name := range sortedServices(s) {
		row := s.GetServices()[name]
		switch {
		case row.GetReady() < row.GetFloorInForce():
			say("%s has %d ready, its floor is %d.", name, row.GetReady(), row.GetFloorInForce())
		case row.GetReady() < row.GetFloor():
			say("%s has %d ready; its floor of %d is kept once it is reached.", name, row.GetReady(), row.GetFloor())
		}
	}
	for i, x := range f.failing {
		if i == mostFailing {
			say("And %d more not ready.", len(f.failing)-i)
			break
		}
		say("%s on %s is not ready%s.", x.service, x.node, because(x.why))
	}
	for _, short := range s.GetShortages() {
		say("Short: %s", short.GetReason())
	}
	if f.impossible != "" {
		say("Nothing can be placed: %s", f.impossible)
	}
	for _, w := range f.waiting {
		say("%s", w)
	}
	if len(cordoned) > 0 {
		get := "They get"
		if len(cordoned) == 1 {
			get = "It gets"
		}
		say("Cordoned: %s. %s nothing new: `roster node uncordon` ends that.", list(cordoned), get)
	}
	if down := lost[v1.NodeState_NODE_STATE_DOWN]; len(down) > 0 {
		if len(down) == 1 {
			say("Start the agent on %s: its services may still be serving there. If the host is down, bring it back.", down[0])
		} else {
			say("Start the agents on %s: their services may still be serving there. If a host is down, bring it back.", list(down))
		}
		say("Only for a node that is gone for good: `roster node remove --force %s` gives up its services.", down[0])
	}
	if s.GetTopology() == nil && in.State.Cluster() != nil {
		say("No topology was applied yet: `roster topology apply -f FILE`.")
	}
}

// mostFailing bounds what is said of single services.
const mostFailing = 10

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + strings.TrimRight(why, ".")
}

func sortedServices(s *v1.Status) []string {
	names := make([]string, 0, len(s.GetServices()))
	for name := range s.GetServices() {
		names = append(names, name)
	}
	slices.SortFunc(names, placement.Compare)
	return names
}

// nameOf is a member's name for people.
func nameOf(s *v1.Status, id string) string {
	for _, m := range s.GetMembers() {
		if m.GetId() == id && m.GetName() != "" {
			return m.GetName()
		}
	}
	return id
}

// list shows at most ten ids.
func list(ids []string) string {
	if len(ids) > 10 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:10], ", "), len(ids)-10)
	}
	return strings.Join(ids, ", ")
}
