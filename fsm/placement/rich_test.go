package placement

import (
	"fmt"

	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// enrich adds to a topology what a pool may have beside its size: pools that
// share nodes, floors over parts, if wanted spread over keys that cross; and to
// nodes services that restart together, and racks.
func enrich(t *rapid.T, top *v1.Topology, nodes []*v1.Node, crossing bool) {
	for _, p := range top.Pools {
		if kind(p) != 1 && rapid.IntRange(0, 3).Draw(t, "shared") == 0 {
			p.Shared = true
		}
	}
	if crossing {
		cross(t, top, nodes)
	}
	restartTogether(t, nodes)
	for _, name := range five {
		if rapid.IntRange(0, 5).Draw(t, "part") == 0 {
			key, values := "region", []string{"a", "b"}
			if crossing && rapid.Bool().Draw(t, "racks") {
				key, values = "rack", []string{"r1", "r2"}
			}
			top.Services = append(top.Services, &v1.Service{Name: name, Floors: []*v1.Floor{
				floorIn(uint32(rapid.IntRange(1, 3).Draw(t, "least")), key, rapid.SampledFrom(values).Draw(t, "value")),
			}})
		}
	}
}

// cross puts nodes into racks that reach through zones and regions, and spreads
// some pools over them.
func cross(t *rapid.T, top *v1.Topology, nodes []*v1.Node) {
	for _, n := range nodes {
		if n.Labels == nil {
			n.Labels = map[string]string{}
		}
		if rack := rapid.IntRange(0, 3).Draw(t, "rack"); rack > 0 {
			n.Labels["rack"] = fmt.Sprintf("r%d", rack)
		}
	}
	for _, p := range top.Pools {
		switch rapid.IntRange(0, 4).Draw(t, "crossing") {
		case 0:
			spread(p, "zone", "rack")
		case 1:
			spread(p, "region", "rack", "zone")
		case 2:
			spread(p, "rack", "region")
		}
	}
}

func restartTogether(t *rapid.T, nodes []*v1.Node) {
	for _, n := range nodes {
		groups := rapid.IntRange(0, 2).Draw(t, "groups")
		for at, c := range n.Claims.Services {
			if groups > 0 {
				c.ChangeMode, c.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, fmt.Sprintf("g%d", at%groups)
			}
		}
	}
}

// anyPreferred draws who was a member once.
func anyPreferred(t *rapid.T, top *v1.Topology, nodes []*v1.Node) []*v1.Seat {
	var seats []*v1.Seat
	if rapid.IntRange(0, 3).Draw(t, "prefer") > 0 {
		return nil
	}
	for _, n := range nodes {
		if at := rapid.IntRange(0, len(top.Pools)).Draw(t, "preferred"); at > 0 {
			seats = append(seats, &v1.Seat{Pool: top.Pools[at-1].Name, Node: n.Id})
		}
	}
	return seats
}
