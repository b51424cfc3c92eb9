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

// Nodes is one node a line.
func Nodes(w io.Writer, look Look, nodes []*v1.Node) error {
	if len(nodes) == 0 {
		_, err := io.WriteString(w, "No node has registered yet.\n")
		return err
	}
	t := look.table("NODE", "REGION", "ZONE", "STATE", "SINCE", ">CAPACITY", ">GENERATION", "SERVICES")
	for _, node := range slices.SortedStableFunc(slices.Values(nodes), byID) {
		t.Row(node.GetId(), word.Or(node.GetRegion()), word.Or(node.GetZone()),
			nodeState(look, node.GetState(), nodeNotes(node)), word.Time(node.GetStateSince()),
			fmt.Sprint(node.GetCapacity()), fmt.Sprint(node.GetGeneration()), assigned(node))
	}
	_, err := t.WriteTo(w)
	return err
}

func byID(a, b *v1.Node) int { return placement.Compare(a.GetId(), b.GetId()) }

// nodeNotes is what keeps a node from being like all others, a word each.
func nodeNotes(node *v1.Node) (notes []string) {
	switch settings := node.GetSettings(); {
	case settings.GetDrain() != nil:
		notes = append(notes, "drained")
	case settings.GetCordoned():
		notes = append(notes, "cordoned")
	}
	if node.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE {
		notes = append(notes, "observes")
	}
	if node.GetFrozen() != "" {
		notes = append(notes, "frozen by its host")
	}
	if node.GetAhead() != nil {
		notes = append(notes, "ahead")
	}
	if node.GetUnconfirmed() {
		notes = append(notes, "unconfirmed")
	}
	return notes
}

func assigned(node *v1.Node) string {
	var services []string
	for _, a := range node.GetAssignments() {
		text := a.GetService()
		switch {
		case a.GetWanted() == v1.Wanted_WANTED_DRAINING:
			text += " (draining)"
		case a.GetBorrowed():
			text += " (borrowed)"
		}
		services = append(services, text)
	}
	return word.List(services)
}

// Node is everything that is known of one node.
func Node(w io.Writer, look Look, node *v1.Node) error {
	var out strings.Builder
	settings := node.GetSettings()
	if settings == nil {
		settings = &v1.NodeSettings{} // no operator has said anything of it
	}

	fmt.Fprintf(&out, "%s  %s since %s\n", look.Paint.Bold(node.GetId()),
		look.nodeStyle(node.GetState())(word.Of(node.GetState())), word.Time(node.GetStateSince()))
	for _, sentence := range nodeSentences(node, settings) {
		out.WriteString(look.Paint.Warn(sentence) + "\n")
	}

	facts := look.table("", "IN FORCE", "AGENT SAYS", "OPERATOR SET")
	facts.Row("region", word.Or(node.GetRegion()), word.Or(node.GetClaims().GetRegion()), set(settings.Region))
	facts.Row("zone", word.Or(node.GetZone()), word.Or(node.GetClaims().GetZone()), set(settings.Zone))
	facts.Row("capacity", fmt.Sprint(node.GetCapacity()), claimed(node.GetClaims().GetCapacity()), set(settings.Capacity))
	facts.Row("labels", labels(node.GetLabels()), labels(node.GetClaims().GetLabels()), labels(settings.GetLabels()))
	section(&out, facts)

	section(&out, nodeServiceTable(look, node))
	section(&out, troubleTable(look, node))

	rest := look.table("", "")
	rest.Row("instance", word.Or(node.GetInstance()))
	rest.Row("generation", fmt.Sprintf("%d, its agent holds %d", node.GetGeneration(), node.GetReportedGeneration()))
	rest.Row("agent", word.Or(node.GetAgentVersion()))
	rest.Row("registered", word.Time(node.GetRegisteredAt()))
	out.WriteByte('\n')
	// This one has no head.
	_, body, _ := strings.Cut(rest.String(), "\n")
	out.WriteString(body)
	return write(w, &out)
}

// claimed is a capacity that an agent named, if it named one.
func claimed(capacity uint32) string {
	if capacity == 0 {
		return "-"
	}
	return fmt.Sprint(capacity)
}

// nodeSentences is what an operator, its host or its past say of a node.
func nodeSentences(node *v1.Node, settings *v1.NodeSettings) (all []string) {
	say := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	if drain := settings.GetDrain(); drain != nil {
		until := ""
		if drain.GetDeadline() != nil {
			until = ", to be empty by " + word.Time(drain.GetDeadline())
		}
		say("drained since %s%s (%s)", word.Time(drain.GetSince()), until, word.By(drain.GetBy(), drain.GetReason()))
	}
	if settings.GetCordoned() {
		if why := settings.GetCordonReason(); why != "" {
			say("cordoned: gets nothing new (%s)", why)
		} else {
			say("cordoned: gets nothing new")
		}
	}
	if node.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE {
		say("observes: its agent touches nothing; `roster node activate %s` hands it over", node.GetId())
	}
	if node.GetFrozen() != "" {
		say("frozen by its host: %s", node.GetFrozen())
	}
	if ahead := node.GetAhead(); ahead != nil {
		say("ahead: its agent holds epoch %d, generation %d, and follows nothing older; `roster node adopt %s` lets it follow",
			ahead.GetEpoch(), ahead.GetGeneration(), node.GetId())
	}
	if node.GetUnconfirmed() {
		say("unconfirmed: since the restore its agent has not told what it serves, and is told nothing")
	}
	if node.GetFlaps() > 1 {
		say("came back %d times lately, last at %s", node.GetFlaps(), word.Time(node.GetReturnedAt()))
	}
	return all
}

// troubleTable has how services failed on a node.
func troubleTable(look Look, node *v1.Node) *table.Table {
	t := look.table("FAILED HERE", ">TIMES", "LAST", "WHAT WAS SEEN")
	for _, trouble := range node.GetTroubles() {
		t.Row(table.Paint(look.Paint.Bad, trouble.GetService()), fmt.Sprint(trouble.GetFailures()), word.Time(trouble.GetLast()), trouble.GetReason())
	}
	return t
}

// nodeServiceTable has what a node can run, what it is wanted to, and what it
// reports.
func nodeServiceTable(look Look, node *v1.Node) *table.Table {
	type line struct {
		claim    *v1.ServiceClaim
		assigned *v1.Assignment
		report   *v1.ServiceReport
	}
	lines := map[string]line{}
	for _, claim := range node.GetClaims().GetServices() {
		l := lines[claim.GetName()]
		l.claim = claim
		lines[claim.GetName()] = l
	}
	for _, a := range node.GetAssignments() {
		l := lines[a.GetService()]
		l.assigned = a
		lines[a.GetService()] = l
	}
	for _, report := range node.GetReports() {
		l := lines[report.GetService()]
		l.report = report
		lines[report.GetService()] = l
	}
	t := look.table("SERVICE", "WANTED", "POOL", "REPORTS", "DRIVER", "ENDPOINTS", "DETAIL")
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		l := lines[name]
		var endpoints []string
		for _, endpoint := range l.claim.GetEndpoints() {
			endpoints = append(endpoints, Address(endpoint))
		}
		driver := l.claim.GetDriver()
		if l.claim == nil {
			driver = "cannot run it"
		}
		if group := l.claim.GetRestartGroup(); group != "" {
			driver += ", restarts " + group
		}
		if l.claim.GetNeverStop() {
			driver += ", never stopped"
		}
		wanted := word.Of(l.assigned.GetWanted())
		if l.assigned.GetBorrowed() {
			wanted += ", borrowed"
		}
		t.Row(name, wanted, word.Or(l.assigned.GetPool()), table.Paint(look.reportStyle(l.report.GetState()), word.Of(l.report.GetState())),
			word.Or(driver), word.List(endpoints), l.report.GetDetail())
	}
	return t
}

func (l Look) reportStyle(state v1.ServiceState) func(string) string {
	switch state {
	case v1.ServiceState_SERVICE_STATE_SERVING:
		return l.Paint.Good
	case v1.ServiceState_SERVICE_STATE_FAILING:
		return l.Paint.Bad
	case v1.ServiceState_SERVICE_STATE_STARTING, v1.ServiceState_SERVICE_STATE_DRAINING:
		return l.Paint.Warn
	default:
		return l.Paint.Dim
	}
}

func set[T any](value *T) string {
	if value == nil {
		return word.None
	}
	return fmt.Sprint(*value)
}

func labels(all map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, key+"="+all[key])
	}
	return word.Or(strings.Join(parts, " "))
}
