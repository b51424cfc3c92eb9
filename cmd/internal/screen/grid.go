package screen

import (
	"fmt"
	"slices"
	"strings"

	"roster/cmd/internal/table"
	"roster/cmd/internal/view"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// mark is what one node does about one service.
type mark int

const (
	nothing mark = iota
	serving
	starting
	draining
	unknown
	// Ready, on a node that has borrowed it.
	lent
)

func (m mark) draw(look view.Look) string {
	switch m {
	case serving:
		return look.Paint.Good("●")
	case starting:
		return look.Paint.Warn("◐")
	case draining:
		return look.Paint.Note("◌")
	case unknown:
		return look.Paint.Bad("?")
	case lent:
		return look.Paint.Good("◆")
	default:
		return look.Paint.Dim("·")
	}
}

// legend explains the marks.
func legend(look view.Look) string {
	var parts []string
	for _, m := range []struct {
		mark mark
		name string
	}{{serving, "ready"}, {starting, "starting"}, {lent, "borrowed"}, {draining, "draining"}, {unknown, "unknown"}} {
		parts = append(parts, m.mark.draw(look)+" "+look.Paint.Dim(m.name))
	}
	return " " + strings.Join(parts, "  ")
}

// marks is what every node does about every service, with the nodes that are
// ready looked up once.
type marks map[string]map[string]bool

func readyNodes(s *v1.Status) marks {
	ready := marks{}
	for name, service := range s.GetServices() {
		nodes := make(map[string]bool, len(service.GetNodes()))
		for _, id := range service.GetNodes() {
			nodes[id] = true
		}
		ready[name] = nodes
	}
	return ready
}

func (m marks) of(node *v1.NodeStatus, service string) mark {
	wanted := slices.Contains(node.GetServices(), service)
	leaving := slices.Contains(node.GetDraining(), service)
	switch {
	case !wanted && !leaving:
		return nothing
	case m[service][node.GetId()] && slices.Contains(node.GetBorrowed(), service):
		return lent
	case m[service][node.GetId()]:
		return serving
	case node.GetState() == v1.NodeState_NODE_STATE_DOWN:
		return unknown
	case leaving:
		return draining
	default:
		return starting
	}
}

// grid is nodes by services, in so many lines at most. Where there are more
// nodes than lines, a line is a zone.
func grid(s *v1.Status, look view.Look, room int) []string {
	if s == nil {
		return nil
	}
	g := &gridDrawer{status: s, look: look, services: services(s), ready: readyNodes(s)}
	nodes := slices.Clone(s.GetNodes())
	slices.SortFunc(nodes, byPlace)
	if len(nodes) == 0 {
		return []string{"", "   " + look.Paint.Dim("No node has registered yet."), ""}
	}

	var rows []gridRow
	if len(nodes)+4 <= room {
		rows = g.nodeRows(nodes)
	} else {
		rows = g.zoneRows(nodes)
	}
	lines := g.draw(rows)
	if len(lines) > room {
		left := len(lines) - room + 1
		lines = append(lines[:room-1], "   "+look.Paint.Dim(fmt.Sprintf("%d more lines: `roster node list`", left)))
	}
	return lines
}

type gridDrawer struct {
	status   *v1.Status
	look     view.Look
	services []string
	ready    marks
}

// gridRow is a line of the grid, each text painted already.
type gridRow struct {
	region, zone, name, state string
	cells                     []string
}

func byPlace(a, b *v1.NodeStatus) int {
	if c := strings.Compare(a.GetRegion(), b.GetRegion()); c != 0 {
		return c
	}
	if c := strings.Compare(a.GetZone(), b.GetZone()); c != 0 {
		return c
	}
	return natural(a.GetId(), b.GetId())
}

// natural orders node-2 before node-10.
func natural(a, b string) int {
	headA, numberA := splitNumber(a)
	headB, numberB := splitNumber(b)
	if headA != headB || len(numberA) == len(numberB) {
		return strings.Compare(a, b)
	}
	return len(numberA) - len(numberB)
}

func splitNumber(id string) (head, number string) {
	head = strings.TrimRight(id, "0123456789")
	return head, id[len(head):]
}

func (g *gridDrawer) nodeRows(nodes []*v1.NodeStatus) []gridRow {
	rows := make([]gridRow, 0, len(nodes))
	for i, node := range nodes {
		row := gridRow{name: node.GetId(), state: g.nodeState(node)}
		if i == 0 || nodes[i-1].GetRegion() != node.GetRegion() {
			row.region = node.GetRegion()
		}
		if i == 0 || row.region != "" || nodes[i-1].GetZone() != node.GetZone() {
			row.zone = node.GetZone()
		}
		for _, service := range g.services {
			row.cells = append(row.cells, g.ready.of(node, service).draw(g.look))
		}
		rows = append(rows, row)
	}
	return rows
}

func (g *gridDrawer) nodeState(node *v1.NodeStatus) string {
	p := g.look.Paint
	switch {
	case node.GetState() == v1.NodeState_NODE_STATE_DOWN:
		return p.Bad("down")
	case node.GetState() == v1.NodeState_NODE_STATE_SUSPECT:
		return p.Warn("suspect")
	default:
		if notes := view.StatusNotes(node); len(notes) > 0 {
			return p.Warn(strings.Join(notes, ", "))
		}
		return p.Dim(word.Of(node.GetState()))
	}
}

// zoneRows says per zone how many are ready of those that should be.
func (g *gridDrawer) zoneRows(nodes []*v1.NodeStatus) []gridRow {
	var rows []gridRow
	for start := 0; start < len(nodes); {
		end := start
		for end < len(nodes) && nodes[end].GetRegion() == nodes[start].GetRegion() && nodes[end].GetZone() == nodes[start].GetZone() {
			end++
		}
		rows = append(rows, g.zoneRow(nodes[start:end], start == 0 || nodes[start-1].GetRegion() != nodes[start].GetRegion()))
		start = end
	}
	return rows
}

func (g *gridDrawer) zoneRow(nodes []*v1.NodeStatus, first bool) gridRow {
	row := gridRow{zone: nodes[0].GetZone(), name: word.Count(len(nodes), "node")}
	if first {
		row.region = nodes[0].GetRegion()
	}
	up := 0
	for _, node := range nodes {
		if node.GetState() == v1.NodeState_NODE_STATE_UP {
			up++
		}
	}
	row.state = g.look.Paint.Dim("up")
	if up < len(nodes) {
		row.state = g.look.Paint.Bad(fmt.Sprintf("%d up", up))
	}
	for _, service := range g.services {
		ready, asked := 0, 0
		for _, node := range nodes {
			switch g.ready.of(node, service) {
			case serving, lent:
				ready++
				asked++
			case starting, unknown:
				asked++
			}
		}
		row.cells = append(row.cells, g.share(ready, asked))
	}
	return row
}

func (g *gridDrawer) share(ready, asked int) string {
	switch {
	case asked == 0:
		return g.look.Paint.Dim("·")
	case ready == asked:
		return g.look.Paint.Good(fmt.Sprint(ready))
	default:
		return g.look.Paint.Warn(fmt.Sprintf("%d/%d", ready, asked))
	}
}

// draw lays the rows out under the services and their counts.
func (g *gridDrawer) draw(rows []gridRow) []string {
	p := g.look.Paint
	region, zone, name, state := 0, 0, len("ready/floor"), len("state")
	for _, row := range rows {
		region, zone = max(region, table.Width(row.region)), max(zone, table.Width(row.zone))
		name, state = max(name, table.Width(row.name)), max(state, table.Width(row.state))
	}
	lead := 1
	for _, width := range []int{region, zone, name, state} {
		if width > 0 {
			lead += width + 2
		}
	}
	names, cell := g.columnNames(g.look.Width - lead)

	line := func(row gridRow) string {
		var out strings.Builder
		out.WriteByte(' ')
		for _, c := range []struct {
			text  string
			width int
		}{{p.Dim(row.region), region}, {p.Dim(row.zone), zone}, {row.name, name}, {row.state, state}} {
			if c.width > 0 {
				out.WriteString(c.text + strings.Repeat(" ", c.width-table.Width(c.text)+2))
			}
		}
		for _, text := range row.cells {
			out.WriteString(centre(text, cell))
		}
		return strings.TrimRight(out.String(), " ")
	}

	heads, counts := gridRow{}, gridRow{name: p.Dim("ready/floor")}
	for i, service := range g.services {
		heads.cells = append(heads.cells, p.Bold(names[i]))
		counts.cells = append(counts.cells, g.count(g.status.GetServices()[service]))
	}
	lines := []string{line(heads), line(counts)}
	for _, row := range rows {
		lines = append(lines, line(row))
	}
	return append(lines, "", legend(g.look))
}

// count is ready/floor of a service, in the colour of its state.
func (g *gridDrawer) count(service *v1.ServiceStatus) string {
	text := fmt.Sprintf("%d/%d", service.GetReady(), service.GetFloor())
	switch {
	case service.GetReady() < service.GetFloorInForce():
		return g.look.Paint.Bad(text)
	case service.GetReady() < max(service.GetWanted(), service.GetFloor()):
		return g.look.Paint.Warn(text)
	default:
		return g.look.Paint.Good(text)
	}
}

// columnNames fits the services' names into the room: whole, else with the
// known long ones shortened, else cut.
func (g *gridDrawer) columnNames(room int) (names []string, cell int) {
	if len(g.services) == 0 {
		return nil, 0
	}
	names = slices.Clone(g.services)
	fits := func() bool {
		widest := 4
		for _, name := range names {
			widest = max(widest, len(name))
		}
		for _, space := range []int{3, 2, 1} {
			if cell = widest + space; cell*len(names) <= room {
				return true
			}
		}
		return false
	}
	if fits() {
		return names, cell
	}
	for i, name := range names {
		if short, ok := shortNames[name]; ok {
			names[i] = short
		}
	}
	if fits() {
		return names, cell
	}
	cell = max(room/len(names), 4)
	for i, name := range names {
		names[i] = table.Cut(name, cell-1)
	}
	return names, cell
}

var shortNames = map[string]string{
	"smtp-inbound":  "smtp-in",
	"smtp-outbound": "smtp-out",
	"submission":    "submit",
	"managesieve":   "sieve",
}

func centre(text string, width int) string {
	space := max(0, width-table.Width(text))
	left := space / 2
	return strings.Repeat(" ", left) + text + strings.Repeat(" ", space-left)
}
