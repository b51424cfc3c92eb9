package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// mostNodes is how many nodes status lists before it keeps to those that need
// a look; `node list` has them all.
const mostNodes = 40

// Status is the cluster at a glance: the first word, what is the matter, then
// services, nodes and members.
func Status(w io.Writer, look Look, s *v1.Status) error {
	var out strings.Builder
	out.WriteString(Headline(look, s) + "\n")
	look.sentences(&out, "", s.GetSentences())
	statusOutlook(&out, look, s)

	section(&out, statusServices(look, s))
	statusNodes(&out, look, s)
	statusEndpoints(&out, s)
	section(&out, statusMembers(look, s))
	return write(w, &out)
}

// Headline is the first line of status.
func Headline(look Look, s *v1.Status) string {
	parts := []string{look.Paint.Bold(look.StateStyle(s.GetState())(word.State(s.GetState())))}
	for _, restraint := range Restraints(s) {
		parts = append(parts, look.Paint.Warn(restraint))
	}
	if topology := s.GetTopology(); topology != nil {
		parts = append(parts, topologyTitle(topology))
		if s.GetSettled() {
			parts = append(parts, "settled")
		} else {
			parts = append(parts, look.Paint.Warn("not settled"))
		}
	} else {
		parts = append(parts, "no topology yet")
	}
	if s.GetCluster() != "" {
		parts = append(parts, "cluster "+s.GetCluster())
	}
	if s.GetStale() {
		parts = append(parts, look.Paint.Warn("stale: what "+answeredBy(s)+" knew last"))
	}
	return strings.Join(parts, " · ")
}

// topologyTitle names a topology, its revision and its model, where that is not
// its name.
func topologyTitle(t *v1.StatusTopology) string {
	title := fmt.Sprintf("topology %s, revision %d", t.GetName(), t.GetRevision())
	if model := t.GetModel(); model != "" && model != t.GetName() {
		title += ", " + model
	}
	return title
}

// statusOutlook is the rollout under way and what the cluster would survive.
func statusOutlook(out *strings.Builder, look Look, s *v1.Status) {
	if line := RolloutLine(look, s.GetRollout()); line != "" {
		fmt.Fprintf(out, "%s %s\n", look.Paint.Dim("Rollout:"), line)
	}
	line, sentences := survival(look, s.GetSurvival())
	if line == "" {
		return
	}
	fmt.Fprintf(out, "%s %s\n", look.Paint.Dim("Survives the loss of:"), line)
	look.sentences(out, "", sentences)
}

// answeredBy is the name of the member that answered, or its id.
func answeredBy(s *v1.Status) string {
	for _, member := range s.GetMembers() {
		if member.GetId() == s.GetAnsweredBy() && member.GetName() != "" {
			return member.GetName()
		}
	}
	return word.Or(s.GetAnsweredBy())
}

func section(out *strings.Builder, t *table.Table) {
	if t.Len() == 0 {
		return
	}
	out.WriteByte('\n')
	out.WriteString(t.String())
}

func statusServices(look Look, s *v1.Status) *table.Table {
	columns := []string{"SERVICE", ">READY", ">FLOOR", ">WANTED"}
	lent := false
	for _, service := range s.GetServices() {
		lent = lent || len(service.GetBorrowed()) > 0
	}
	if lent {
		columns = append(columns, "BORROWED BY")
	}
	t := look.table(append(columns, "READY NODES")...)
	for _, name := range slices.Sorted(maps.Keys(s.GetServices())) {
		service := s.GetServices()[name]
		style := look.Paint.Good
		switch {
		case service.GetReady() < service.GetFloorInForce():
			style = look.Paint.Bad
		case service.GetReady() < max(service.GetFloor(), service.GetWanted()):
			style = look.Paint.Warn
		}
		floor := fmt.Sprint(service.GetFloor())
		if service.GetFloorInForce() != service.GetFloor() {
			floor = fmt.Sprintf("%d (now %d)", service.GetFloor(), service.GetFloorInForce())
		}
		row := []any{name, table.Paint(style, fmt.Sprint(service.GetReady())), floor, fmt.Sprint(service.GetWanted())}
		if lent {
			row = append(row, ids(service.GetBorrowed()))
		}
		t.Row(append(row, ids(service.GetNodes()))...)
	}
	return t
}

// ids shortens a long list of ids: a table is not the place for thousands.
func ids(all []string) string {
	const most = 12
	all = slices.SortedFunc(slices.Values(all), placement.Compare)
	if len(all) <= most {
		return word.Or(strings.Join(all, " "))
	}
	return fmt.Sprintf("%s … %d more", strings.Join(all[:most], " "), len(all)-most)
}

func statusNodes(out *strings.Builder, look Look, s *v1.Status) {
	nodes, left := slices.SortedStableFunc(slices.Values(s.GetNodes()), func(a, b *v1.NodeStatus) int {
		return placement.Compare(a.GetId(), b.GetId())
	}), 0
	if len(nodes) > mostNodes {
		worth := func(n *v1.NodeStatus) bool {
			return n.GetState() != v1.NodeState_NODE_STATE_UP || n.GetCordoned() || len(n.GetDraining()) > 0 ||
				len(n.GetBorrowed()) > 0 || n.GetDrained() || n.GetHandsOff() || n.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE
		}
		var kept []*v1.NodeStatus
		for _, node := range nodes {
			if len(kept) < mostNodes && worth(node) {
				kept = append(kept, node)
			}
		}
		nodes, left = kept, len(nodes)-len(kept)
	}
	t := look.table("NODE", "REGION", "ZONE", "STATE", "POOLS", "SERVICES")
	for _, node := range nodes {
		t.Row(node.GetId(), word.Or(node.GetRegion()), word.Or(node.GetZone()),
			nodeState(look, node.GetState(), StatusNotes(node)), word.List(node.GetPools()), nodeServices(node))
	}
	section(out, t)
	if left > 0 {
		fmt.Fprintf(out, "\n%s not shown here: `roster node list`\n", word.Count(left, "node"))
	}
}

// nodeState is a node's state with what an operator or its host said of it.
func nodeState(look Look, state v1.NodeState, notes []string) table.Styled {
	if len(notes) == 0 {
		return table.Paint(look.nodeStyle(state), word.Of(state))
	}
	style := look.nodeStyle(state)
	if state == v1.NodeState_NODE_STATE_UP {
		style = look.Paint.Warn
	}
	return table.Paint(style, word.Of(state)+", "+strings.Join(notes, ", "))
}

// StatusNotes is what keeps a node from being like all others, a word each.
func StatusNotes(node *v1.NodeStatus) (notes []string) {
	switch {
	case node.GetDrained():
		notes = append(notes, "drained")
	case node.GetCordoned():
		notes = append(notes, "cordoned")
	}
	if node.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE {
		notes = append(notes, "observes")
	}
	if node.GetHandsOff() {
		notes = append(notes, "hands off")
	}
	return notes
}

func nodeServices(node *v1.NodeStatus) string {
	var services []string
	for _, service := range node.GetServices() {
		if slices.Contains(node.GetBorrowed(), service) {
			service += " (borrowed)"
		}
		services = append(services, service)
	}
	for _, draining := range node.GetDraining() {
		services = append(services, draining+" (draining)")
	}
	return word.List(services)
}

func statusEndpoints(out *strings.Builder, s *v1.Status) {
	if len(s.GetEndpoints()) == 0 {
		return
	}
	counts := map[v1.EndpointState]int{}
	for _, endpoint := range s.GetEndpoints() {
		counts[endpoint.GetState()]++
	}
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], word.Of(state)))
	}
	fmt.Fprintf(out, "\n%s: %s\n", word.Count(len(s.GetEndpoints()), "endpoint"), strings.Join(parts, ", "))
}

func statusMembers(look Look, s *v1.Status) *table.Table {
	t := look.table("MEMBER", "ID", "ADDRESS", "ROLE")
	members := slices.Clone(s.GetMembers())
	slices.SortStableFunc(members, func(a, b *v1.StatusMember) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, member := range members {
		t.Row(word.Or(member.GetName()), member.GetId(), member.GetAddress(), memberRole(look, member))
	}
	return t
}
