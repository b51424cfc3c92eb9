package site

import (
	"fmt"
	"maps"
	"strings"

	"roster/integration/cluster"
)

// FloorsOf are the floors that status tells.
func FloorsOf(status *cluster.Status) map[string]int {
	floors := map[string]int{}
	for name, row := range status.Services {
		floors[name] = row.Floor
	}
	return floors
}

// Lower is the lower of two floors for each service of b.
func Lower(a, b map[string]int) map[string]int {
	out := map[string]int{}
	for service, floor := range b {
		out[service] = min(floor, a[service])
	}
	return out
}

// FloorsKept says that no service is under the floor that the topology asks for.
func FloorsKept(status *cluster.Status) error {
	for name, row := range status.Services {
		if row.Ready < row.Floor {
			return fmt.Errorf("%s has %d ready, its floor is %d", name, row.Ready, row.Floor)
		}
	}
	return nil
}

// ReadyAgain says that as many are ready as at first, and nothing is to be moved.
func ReadyAgain(baseline map[string]int) func(*cluster.Status) error {
	return func(status *cluster.Status) error {
		if got := status.Ready(); !maps.Equal(got, baseline) || !status.Settled {
			return fmt.Errorf("settled %v, ready %v, wanted %v: %s", status.Settled, got, baseline, strings.Join(status.Sentences, " / "))
		}
		return nil
	}
}
