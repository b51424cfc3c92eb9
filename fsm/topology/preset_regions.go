package topology

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// The mixes of a geographic topology. With three regions each has one; further
// regions begin again with the first.
var regionMixes = [][]mix{
	{{"imap", []string{"imap"}, 1}, {"mx", []string{"smtp-inbound"}, 2}},
	{{"mailbox", []string{"imap", "jmap"}, 1}, {"relay", []string{"smtp-outbound"}, 2}},
	{{"files", []string{"webdav"}, 2}, {"jmap", []string{"jmap"}, 1}, {"mail", smtpServices, 1}},
}

// mostRegions is how many regions leave a file room for its pools.
const mostRegions = 85

// regional writes the pools of a geographic topology. The mixes go to the
// regions in the order of their names; where one does not fit its region, to the
// first order of the mixes in which all do.
func regional(nodes []*v1.Node) ([]*v1.Pool, error) {
	regions := regionsOf(nodes)
	switch {
	case len(regions) < 2:
		return nil, fmt.Errorf("%w: it needs %s at least, one for each of its pools, in 2 regions or more, and %s",
			ErrTooFewNodes, amount(mixedPools(), "node"), oneRegion(len(nodes), regions))
	case len(regions) > mostRegions:
		return nil, fmt.Errorf("the nodes are in %d regions, and a file has room for the pools of %d\n  mend: write it for some of them", len(regions), mostRegions)
	}
	var first error
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for _, mixes := range mixesOf(order, len(regions)) {
			pools, err := inOrder(mixes, regions)
			if err == nil {
				return pools, nil
			}
			if first == nil {
				first = err
			}
		}
	}
	return nil, first
}

// mixedPools is how many pools the mixes have together: the fewest of a geographic
// topology, as two regions share all three.
func mixedPools() (pools int) {
	for _, m := range regionMixes {
		pools += len(m)
	}
	return pools
}

func oneRegion(nodes int, regions []regionNodes) string {
	switch {
	case nodes == 0:
		return "there are 0"
	case len(regions) == 0 && nodes == 1:
		return "there is 1, which says no region"
	case len(regions) == 0:
		return fmt.Sprintf("none of the %d says its region", nodes)
	case nodes == 1:
		return "there is 1, in region " + regions[0].name
	case len(regions[0].nodes) < nodes:
		return fmt.Sprintf("of the %d nodes only those in region %s say theirs", nodes, regions[0].name)
	}
	return fmt.Sprintf("all %d are in region %s", nodes, regions[0].name)
}

// regionNodes is the nodes of a region.
type regionNodes struct {
	name, prefix string
	nodes        []*v1.Node
}

// regionsOf groups nodes by region, sorted by name; those without one are left
// out.
func regionsOf(nodes []*v1.Node) []regionNodes {
	groups := make(map[string][]*v1.Node)
	for _, n := range nodes {
		if r := regionOf(n); r != "" {
			groups[r] = append(groups[r], n)
		}
	}
	names := sortedKeys(groups)
	prefixes := prefixesOf(names)
	regions := make([]regionNodes, len(names))
	for i, name := range names {
		regions[i] = regionNodes{name: name, prefix: prefixes[i], nodes: groups[name]}
	}
	return regions
}

// regionOf is a node's region: the one in force, else the claimed one.
func regionOf(n *v1.Node) string {
	if r := n.GetRegion(); r != "" {
		return r
	}
	return n.GetClaims().GetRegion()
}

// prefixesOf turns regions' names into what pools' names can begin with, each
// of them different at a glance.
func prefixesOf(names []string) []string {
	prefixes := make([]string, len(names))
	seen := make(map[string]bool)
	for i, name := range names {
		var b strings.Builder
		for _, r := range strings.ToLower(latin(name)) {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				b.WriteRune(r)
			} else {
				b.WriteByte('-')
			}
		}
		p := strings.Trim(b.String(), "-")
		if p == "" || p[0] < 'a' || p[0] > 'z' {
			p = strings.TrimRight("r-"+p, "-")
		}
		prefixes[i] = p
		if len(p) > maxName-len("-mailbox") || seen[skeleton(p)] {
			// Numbers are less telling and never meet.
			for i := range names {
				prefixes[i] = fmt.Sprintf("region%c%c", 'a'+i/26, 'a'+i%26)
			}
			return prefixes
		}
		seen[skeleton(p)] = true
	}
	return prefixes
}

// mixesOf deals the mixes out in an order. Two regions share three: one of them,
// the second if it can, takes two.
func mixesOf(order []int, regions int) [][][]mix {
	if regions == 2 {
		one, two := regionMixes[order[0]], slices.Concat(regionMixes[order[1]], regionMixes[order[2]])
		return [][][]mix{{one, two}, {two, one}}
	}
	mixes := make([][]mix, regions)
	for i := range mixes {
		mixes[i] = regionMixes[order[i%len(order)]]
	}
	return [][][]mix{mixes}
}

func inOrder(mixes [][]mix, regions []regionNodes) ([]*v1.Pool, error) {
	var pools []*v1.Pool
	for i, region := range regions {
		counts, lack := seatsOf(mixes[i], region.nodes)
		if lack != nil {
			need := 0
			for _, m := range mixes {
				need += len(m)
			}
			return nil, fmt.Errorf("%w\n  mend: %s, one for each pool: %s", lack.explain(" in region "+region.name, mixes[i], region.nodes),
				amount(need, "node")+" in all", needs(regions, mixes))
		}
		for j, m := range mixes[i] {
			pool := byCount(0, counts[j])
			pool.Name, pool.Services = region.prefix+"-"+m.name, slices.Clone(m.services)
			pool.Where = map[string]*v1.LabelValues{"region": {Values: []string{region.name}}}
			pools = append(pools, pool)
		}
	}
	return pools, nil
}

// needs says how many nodes each region needs.
func needs(regions []regionNodes, mixes [][]mix) string {
	var parts []string
	for i, region := range regions {
		parts = append(parts, fmt.Sprintf("%d in region %s", len(mixes[i]), region.name))
	}
	return strings.Join(parts, ", ")
}
