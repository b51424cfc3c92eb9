package whatif

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// ErrUnknownNode means that a name is none of a registered node.
var ErrUnknownNode = errors.New("there is no such node")

// StopCheck is whether nodes may stop, all at once.
type StopCheck struct {
	OK bool
	// Why not, in sentences; where it is ok, what would be left.
	Reasons []string
	// Ready nodes left at once, by service: of every service that has a floor, or
	// a ready node now. What is left in a part of the nodes only the sentences say.
	Ready map[string]uint32
}

// CheckStop says whether nodes may be stopped now, all at once, so that every
// service keeps its floor in force. What is not ready now counts as lost
// already. The error is ErrUnknownNode.
func CheckStop(nodes []*v1.Node, floors map[string]*storev1.FloorInForce, ids []string) (StopCheck, error) {
	stopped := map[string]bool{}
	for _, id := range ids {
		stopped[id] = true
	}
	left := make([]*v1.Node, 0, len(nodes))
	for _, n := range nodes {
		if !stopped[n.GetId()] {
			left = append(left, n)
			continue
		}
		stopped[n.GetId()] = false
	}
	var unknown []string
	for id, missing := range stopped {
		if missing {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		slices.SortFunc(unknown, placement.Compare)
		return StopCheck{}, fmt.Errorf("check a stop of %s: %w", strings.Join(unknown, ", "), ErrUnknownNode)
	}
	return judge(rollout.ReadyCounts(nodes, floors), rollout.ReadyCounts(left, floors), floors), nil
}

func judge(before, after map[string]uint32, floors map[string]*storev1.FloorInForce) StopCheck {
	check := StopCheck{OK: true, Ready: map[string]uint32{}}
	keys := slices.Collect(maps.Keys(floors))
	for service := range before {
		if floors[service] == nil {
			keys = append(keys, service)
		}
	}
	slices.Sort(keys)
	var broken, kept []string
	for _, key := range keys {
		name, floor := nameOfFloor(key, floors[key]), floors[key].GetFloor()
		if len(floors[key].GetWhere()) == 0 {
			check.Ready[key] = after[key]
		}
		sentence := fmt.Sprintf("%s would have %d ready, its floor in force is %d", name, after[key], floor)
		switch {
		case after[key] >= floor:
			kept = append(kept, sentence)
		case before[key] < floor:
			broken = append(broken, fmt.Sprintf("%s has %d ready, under its floor in force of %d already, and would have %d", name, before[key], floor, after[key]))
		default:
			broken = append(broken, sentence)
		}
	}
	check.Reasons = kept
	if len(broken) > 0 {
		check.OK, check.Reasons = false, broken
	}
	return check
}

// nameOfFloor names what a floor is of: a service, or a service in a part of the
// nodes.
func nameOfFloor(key string, f *storev1.FloorInForce) string {
	if len(f.GetWhere()) == 0 {
		return key
	}
	return f.GetService() + " in " + placement.PartName(f.GetWhere())
}
