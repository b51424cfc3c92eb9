package status

import (
	"fmt"
	"sort"
	"strings"

	v1 "roster/proto/roster/v1"
)

// describe writes the sentences below the first word: what was lost, what
// Roster waits for, what you can do.
func describe(s *v1.Status, in Input, nodes []*v1.Node, waiting []string) {
	say := func(format string, a ...any) { s.Sentences = append(s.Sentences, fmt.Sprintf(format, a...)) }

	if in.Leader == "" {
		say("The members have no leader: nothing can be changed; the nodes serve on.")
		say("What you see is what member %s knew last. Start the missing members: more than half must run.", in.AnsweredBy)
	}
	lost := map[v1.NodeState][]string{}
	for _, n := range nodes {
		lost[n.GetState()] = append(lost[n.GetState()], n.GetId())
	}
	if down := lost[v1.NodeState_NODE_STATE_DOWN]; len(down) > 0 {
		say("Down: %s. Their services count as not ready; their sets are unchanged.", list(down))
	}
	if suspect := lost[v1.NodeState_NODE_STATE_SUSPECT]; len(suspect) > 0 {
		say("Suspect: %s. They were not heard lately.", list(suspect))
	}
	names := make([]string, 0, len(s.Services))
	for name := range s.Services {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		row := s.Services[name]
		if row.GetReady() < row.GetFloorInForce() {
			say("%s has %d ready, its floor is %d.", name, row.GetReady(), row.GetFloorInForce())
		}
	}
	for _, short := range s.Shortages {
		say("Short: %s", short.GetReason())
	}
	for _, w := range waiting {
		say("%s", w)
	}
	if s.Topology == nil {
		say("No topology was applied yet: roster topology apply -f FILE.")
	}
}

// list shows at most ten ids.
func list(ids []string) string {
	if len(ids) > 10 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:10], ", "), len(ids)-10)
	}
	return strings.Join(ids, ", ")
}
