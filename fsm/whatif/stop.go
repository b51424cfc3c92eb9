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
	// a ready node now.
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
	services := slices.Sorted(maps.Keys(floors))
	for service := range before {
		if floors[service] == nil {
			services = append(services, service)
		}
	}
	slices.Sort(services)
	var broken, kept []string
	for _, service := range services {
		floor := floors[service].GetFloor()
		check.Ready[service] = after[service]
		sentence := fmt.Sprintf("%s would have %d ready, its floor in force is %d", service, after[service], floor)
		switch {
		case after[service] >= floor:
			kept = append(kept, sentence)
		case before[service] < floor:
			broken = append(broken, fmt.Sprintf("%s has %d ready, under its floor in force of %d already, and would have %d", service, before[service], floor, after[service]))
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
