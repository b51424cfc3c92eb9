package topology

import (
	"fmt"

	v1 "roster/proto/roster/v1"
)

// MostLaid is the most nodes that LayNodes makes.
const MostLaid = maxNodes

// LayNodes makes up n nodes, node-1 to node-n, that can run every known service:
// three regions in the proportion of the ten example nodes (ten are exactly
// those), two zones in each, and egress in the third. n is 1 to MostLaid.
func LayNodes(n int) []*v1.Node {
	// The k-th node that is added goes to this region; seven are enough for each
	// pool of the geographic model.
	order := [10]int{0, 1, 2, 0, 1, 2, 2, 0, 1, 2}
	var sizes [3]int
	for k := range n {
		sizes[order[k%len(order)]]++
	}
	nodes := make([]*v1.Node, 0, n)
	for r, size := range sizes {
		region := string(rune('a' + r))
		for k := range size {
			zone := region + "1"
			if k >= (size+1)/2 {
				zone = region + "2"
			}
			labels := func() map[string]string {
				if r == 2 {
					return map[string]string{"egress": "yes"}
				}
				return nil
			}
			claims := &v1.NodeClaims{Region: region, Zone: zone, Labels: labels(), Capacity: defaultCapacity}
			for _, name := range KnownServices() {
				claims.Services = append(claims.Services, &v1.ServiceClaim{Name: name, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE})
			}
			nodes = append(nodes, &v1.Node{
				Id: fmt.Sprintf("node-%d", len(nodes)+1), Claims: claims, Region: region, Zone: zone, Labels: labels(), Capacity: defaultCapacity,
			})
		}
	}
	return nodes
}
