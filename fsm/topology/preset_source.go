package topology

import (
	"fmt"
	"strings"

	v1 "roster/proto/roster/v1"
)

// PresetSource is Preset as a file, with comments: what the model is, and what
// the nodes get. assumed: the nodes' regions were made up, and the file says so
// where it relies on them. Parse reads Preset's topology back from it.
func PresetSource(model string, nodes []*v1.Node, assumed bool) ([]byte, error) {
	t, err := Preset(model, nodes)
	if err != nil {
		return nil, err
	}
	b, err := blueprintOf(model)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	comment := func(format string, a ...any) {
		for _, line := range strings.Split(fmt.Sprintf(format, a...), "\n") {
			out.WriteString(strings.TrimRight("# "+line, " ") + "\n")
		}
	}
	comment("%s\n", b.about)
	comment("Written for %s, which get:", amount(len(nodes), "node"))
	sizes := presetSizes(b, t, nodes)
	services := make(map[string]int)
	total := 0
	for i, p := range t.GetPools() {
		comment("  %-12s %s", p.GetName(), amount(sizes[i], "node"))
		for _, s := range p.GetServices() {
			services[s] += sizes[i]
			total += sizes[i]
		}
	}
	var parts []string
	for _, s := range KnownServices() {
		if services[s] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, services[s]))
		}
	}
	comment("%s: %s.", amount(total, "assignment"), strings.Join(parts, ", "))
	if model == geographic {
		writeRegions(comment, nodes, assumed)
	}
	fmt.Fprintf(&out, "name: %s\npools:\n", quote(t.GetName()))
	for _, line := range poolLines(t.GetPools()) {
		out.WriteString("  - " + line + "\n")
	}
	return []byte(out.String()), nil
}

func writeRegions(comment func(string, ...any), nodes []*v1.Node, assumed bool) {
	for _, region := range regionsOf(nodes) {
		first, last := region.nodes[0].GetId(), region.nodes[len(region.nodes)-1].GetId()
		text := first
		if first != last {
			text = first + " to " + last
		}
		if assumed {
			comment("Region %s: %s, %s.", region.name, amount(len(region.nodes), "node"), text)
		} else {
			comment("Region %s: %s.", region.name, amount(len(region.nodes), "node"))
		}
	}
	if left := len(nodes) - located(nodes); left > 0 {
		comment("%s no region and %s in no pool.", map[bool]string{true: "1 node has", false: fmt.Sprint(left) + " nodes have"}[left == 1], isAre(left))
	}
	if assumed {
		comment("These regions were made up for a number of nodes: give the nodes such regions,\nor write the preset for a list of your nodes.")
	}
}

func located(nodes []*v1.Node) (n int) {
	for _, node := range nodes {
		if regionOf(node) != "" {
			n++
		}
	}
	return n
}

// presetSizes is how many nodes each pool of a preset gets of these nodes.
func presetSizes(b blueprint, t *v1.Topology, nodes []*v1.Node) []int {
	sizes := make([]int, len(t.GetPools()))
	for i, p := range t.GetPools() {
		switch size := p.GetSize().(type) {
		case *v1.Pool_Count:
			sizes[i] = int(size.Count)
		case *v1.Pool_All:
			for _, n := range nodes {
				if canRun(n, p.GetServices()) {
					sizes[i]++
				}
			}
		case *v1.Pool_Weight:
			counts, _ := seatsOf(b.pools, nodes)
			sizes[i] = counts[i]
		}
	}
	return sizes
}

// poolLines are pools as one line each, their keys under each other as a person
// would write them.
func poolLines(pools []*v1.Pool) []string {
	names, services := make([]string, len(pools)), make([]string, len(pools))
	widest, wide := 0, 0
	for i, p := range pools {
		names[i] = fmt.Sprintf("{name: %s,", quote(p.GetName()))
		services[i] = fmt.Sprintf("services: [%s],", strings.ReplaceAll(strings.Join(p.GetServices(), ", "), strings.Join(smtpServices, ", "), bothSMTP))
		widest, wide = max(widest, len(names[i])), max(wide, len(services[i]))
	}
	lines := make([]string, len(pools))
	for i, p := range pools {
		var size string
		switch s := p.GetSize().(type) {
		case *v1.Pool_Count:
			size = fmt.Sprintf("count: %d", s.Count)
		case *v1.Pool_Weight:
			size = fmt.Sprintf("weight: %d", s.Weight)
		default:
			size = "all: true"
		}
		if regions := p.GetWhere()["region"].GetValues(); len(regions) > 0 {
			size += fmt.Sprintf(", where: {region: %s}", quote(regions[0]))
		}
		lines[i] = fmt.Sprintf("%-*s %-*s %s}", widest, names[i], wide, services[i], size)
	}
	return lines
}
