// Package mermaid owns the drawing of a topology as mail-server documentation
// draws it: nodes grouped by role or region, arrows to the services. It knows the
// nodes of a status and nothing of where they come from. Pure, safe from any
// goroutine.
package mermaid

import (
	"fmt"
	"slices"
	"strings"

	"roster/cmd/internal/view"
	"roster/fsm/placement"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// By is what nodes are grouped by.
type By string

// The groups.
const (
	Role   By = "role"
	Region By = "region"
)

// Fold is how many nodes that do the same are drawn one by one; more are one box.
const Fold = 12

// box is one node, or many that do the same.
type box struct {
	ids []string
	// arrows to services, with the word that stands on each; empty: none.
	arrows []arrow
}

type arrow struct{ service, note string }

// group is a subgraph.
type group struct {
	title string
	boxes []box
}

// Draw is the flowchart in Mermaid's language.
func Draw(title string, nodes []*v1.NodeStatus, by By) string {
	var out strings.Builder
	if title != "" {
		fmt.Fprintf(&out, "---\ntitle: %s\n---\n", quoted(title))
	}
	out.WriteString("flowchart LR\n")
	services := servicesOf(nodes)
	id := make(map[string]string, len(services))
	for i, s := range services {
		id[s] = fmt.Sprintf("s%d", i+1)
	}
	n := 0
	var arrows strings.Builder
	for i, g := range groups(nodes, by) {
		fmt.Fprintf(&out, "  subgraph g%d[%s]\n", i+1, label(g.title))
		for _, b := range g.boxes {
			n++
			fmt.Fprintf(&out, "    n%d[%s]\n", n, label(view.Fold(b.ids)))
			for _, a := range b.arrows {
				if a.note == "" {
					fmt.Fprintf(&arrows, "  n%d --> %s\n", n, id[a.service])
				} else {
					fmt.Fprintf(&arrows, "  n%d -. %s .-> %s\n", n, label(a.note), id[a.service])
				}
			}
		}
		out.WriteString("  end\n")
	}
	for _, s := range services {
		fmt.Fprintf(&out, "  %s([%s])\n", id[s], label(s))
	}
	out.WriteString(arrows.String())
	return out.String()
}

// servicesOf are the services that any node has, known ones in their usual order
// before others.
func servicesOf(nodes []*v1.NodeStatus) (services []string) {
	for _, n := range nodes {
		services = append(append(services, n.GetServices()...), n.GetDraining()...)
	}
	slices.Sort(services)
	services = slices.Compact(services)
	known := topology.KnownServices()
	slices.SortStableFunc(services, func(a, b string) int { return rank(known, a) - rank(known, b) })
	return services
}

func rank(known []string, s string) int {
	if i := slices.Index(known, s); i >= 0 {
		return i
	}
	return len(known)
}

// groups puts nodes into their groups, in the order in which the first node of
// each comes.
func groups(nodes []*v1.NodeStatus, by By) []group {
	nodes = slices.SortedStableFunc(slices.Values(nodes), func(a, b *v1.NodeStatus) int { return placement.Compare(a.GetId(), b.GetId()) })
	members := map[string][]*v1.NodeStatus{}
	var titles []string
	for _, n := range nodes {
		title := role(n)
		if by == Region {
			title = "no region"
			if n.GetRegion() != "" {
				title = "region " + n.GetRegion()
			}
		}
		if members[title] == nil {
			titles = append(titles, title)
		}
		members[title] = append(members[title], n)
	}
	out := make([]group, len(titles))
	for i, title := range titles {
		out[i] = group{title: title, boxes: boxes(members[title])}
	}
	return out
}

func role(n *v1.NodeStatus) string {
	if pools := n.GetPools(); len(pools) > 0 {
		return strings.Join(pools, " + ")
	}
	return "no pool"
}

// boxes draws each node alone, or all that do the same in one.
func boxes(nodes []*v1.NodeStatus) (out []box) {
	if len(nodes) == 0 {
		return nil
	}
	same := map[string][]string{}
	does := map[string][]arrow{}
	var order []string
	for _, n := range nodes {
		arrows := arrowsOf(n)
		key := fmt.Sprint(arrows)
		if same[key] == nil {
			order = append(order, key)
			does[key] = arrows
		}
		same[key] = append(same[key], n.GetId())
	}
	for _, key := range order {
		if len(same[key]) > Fold {
			out = append(out, box{ids: same[key], arrows: does[key]})
			continue
		}
		for _, id := range same[key] {
			out = append(out, box{ids: []string{id}, arrows: does[key]})
		}
	}
	return out
}

func arrowsOf(n *v1.NodeStatus) (arrows []arrow) {
	for _, s := range n.GetServices() {
		note := ""
		if slices.Contains(n.GetBorrowed(), s) {
			note = "borrowed"
		}
		arrows = append(arrows, arrow{s, note})
	}
	for _, s := range n.GetDraining() {
		arrows = append(arrows, arrow{s, "draining"})
	}
	return arrows
}

// label is text in quotes with what Mermaid would take for itself written as
// entities: a name cannot end its label, begin markup, or name an element.
func label(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"':
			out.WriteString("#quot;")
		case strings.ContainsRune("#&;<>`\\|[]{}%*~$@", r):
			fmt.Fprintf(&out, "#%d;", r)
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			out.WriteByte(' ')
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// quoted is text for the front matter, which is YAML.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ", "\r", " ", "\t", " ").Replace(text) + `"`
}
