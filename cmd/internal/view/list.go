package view

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	"roster/fsm"
	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// Assignments is one (node, service) a line; an empty service means all.
func Assignments(w io.Writer, look Look, nodes []*v1.NodeAssignments) error {
	t := look.table("NODE", "SERVICE", "WANTED", "READY", "POOL", "SINCE", ">REVISION", "WHY")
	nodes = slices.SortedStableFunc(slices.Values(nodes), func(a, b *v1.NodeAssignments) int {
		return placement.Compare(a.GetNode(), b.GetNode())
	})
	for _, node := range nodes {
		for _, a := range node.GetAssignments() {
			ready := table.Paint(look.Paint.Warn, "no")
			if slices.Contains(node.GetReady(), a.GetService()) {
				ready = table.Paint(look.Paint.Good, "yes")
			}
			wanted := word.Of(a.GetWanted())
			if a.GetBorrowed() {
				wanted += ", borrowed"
			}
			t.Row(node.GetNode(), a.GetService(), wanted, ready, word.Or(a.GetPool()),
				word.Time(a.GetSince()), fmt.Sprint(a.GetRevision()), a.GetReason())
		}
	}
	return orNone(w, t, "Nothing is assigned.")
}

// Endpoints is one endpoint a line.
func Endpoints(w io.Writer, look Look, endpoints []*v1.Endpoint) error {
	t := look.table("SERVICE", "NODE", "ADDRESS", "TLS", "STATE")
	for _, endpoint := range endpoints {
		tls := word.None
		if endpoint.GetTls() != v1.Tls_TLS_NONE {
			tls = word.Of(endpoint.GetTls())
		}
		t.Row(endpoint.GetService(), endpoint.GetNode(), Address(endpoint), tls,
			table.Paint(look.endpointStyle(endpoint.GetState()), word.Of(endpoint.GetState())))
	}
	return orNone(w, t, "No service answers anywhere: nothing is assigned, or no agent named an endpoint.")
}

// Address is where an endpoint answers: host:port, and its path if it has one.
func Address(endpoint *v1.Endpoint) string {
	return net.JoinHostPort(endpoint.GetHost(), strconv.FormatUint(uint64(endpoint.GetPort()), 10)) + endpoint.GetPath()
}

// Members is one member a line.
func Members(w io.Writer, look Look, members []*v1.Member) error {
	t := look.table("MEMBER", "ID", "ADDRESS", "RAFT ADDRESS", "ROLE", "VERSION")
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b *v1.Member) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, member := range members {
		t.Row(word.Or(member.GetName()), member.GetId(), member.GetAddress(), member.GetRaftAddress(),
			memberRole(look, member), word.Or(member.GetVersion()))
	}
	return orNone(w, t, "No member is known.")
}

// Revisions is one topology revision a line, newest first.
func Revisions(w io.Writer, look Look, revisions []*v1.TopologyRevision) error {
	t := look.table(">REVISION", "NAME", "TIME", "AUTHOR", "")
	for _, revision := range revisions {
		note := ""
		if of := revision.GetRollbackOf(); of != 0 {
			note = fmt.Sprintf("rollback to %d", of)
		}
		t.Row(fmt.Sprint(revision.GetRevision()), revision.GetTopology().GetName(), word.Time(revision.GetTime()),
			word.Or(revision.GetAuthor()), note)
	}
	return orNone(w, t, "No topology was applied yet.")
}

// Events is one event a line.
func Events(w io.Writer, look Look, events []*v1.Event) error {
	var out strings.Builder
	for _, event := range events {
		out.WriteString(Event(look, event) + "\n")
	}
	return write(w, &out)
}

// Event is one event in a line.
func Event(look Look, event *v1.Event) string {
	return fmt.Sprintf("%s  %s  %s", look.Paint.Dim(fmt.Sprintf("%-6d", event.GetIndex())+"  "+word.Time(event.GetTime())),
		EventKind(look, event), EventText(event))
}

// EventKind is the kind of an event in its colour.
func EventKind(look Look, event *v1.Event) string {
	return look.EventStyle(event)(fmt.Sprintf("%-19s", event.GetKind()))
}

// EventStyle is the colour of an event.
func (l Look) EventStyle(event *v1.Event) func(string) string {
	kind := event.GetKind()
	_, happened, _ := strings.Cut(kind, ".")
	switch {
	case happened == "down", strings.Contains(kind, "fail"), strings.Contains(kind, "broken"):
		return l.Paint.Bad
	case slices.Contains(warned, happened), kind == fsm.EventFreezeCreated, strings.Contains(kind, "refused"):
		return l.Paint.Warn
	case slices.Contains(welcome, happened):
		return l.Paint.Good
	default:
		return l.Paint.Note
	}
}

// What happened, as the second word of an event's kind, that asks for a look,
// and that ends what did.
var (
	warned  = []string{"suspect", "not_ready", "drain", "stop", "loan", "frozen", "ahead", "began", "rejected"}
	welcome = []string{"ready", "up", "restored", "returned", "unfrozen", "confirmed", "adopted", "ended", "expired", "settled", "approved"}
)

// EventText is what happened and why.
func EventText(event *v1.Event) string {
	text := event.GetMessage()
	if text == "" {
		var parts []string
		for _, part := range []string{event.GetService(), event.GetNode(), event.GetPool(), event.GetMember()} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		text = strings.Join(parts, " ")
	}
	reason := strings.TrimSuffix(event.GetReason(), ".")
	switch {
	case reason == "":
		return text
	case strings.HasSuffix(reason, ")"):
		return text + ": " + reason // no bracket within a bracket
	default:
		return text + " (" + reason + ")"
	}
}

func orNone(w io.Writer, t *table.Table, none string) error {
	if t.Len() == 0 {
		_, err := io.WriteString(w, none+"\n")
		return err
	}
	_, err := t.WriteTo(w)
	return err
}
