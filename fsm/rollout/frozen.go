package rollout

import (
	"slices"
	"strings"
	"time"

	v1 "roster/proto/roster/v1"
)

// FrozenPlaces says which nodes lie in a place that is frozen: what is to be begun is
// begun elsewhere. Where everything is frozen, or a pool or a service, there is no
// elsewhere. nil: none does.
func FrozenPlaces(freezes []*v1.Freeze, now time.Time) func(*v1.Node) bool {
	var scopes []string
	for _, f := range freezes {
		if kind, _, _ := strings.Cut(f.GetScope(), ":"); InForce(f, now) && slices.Contains([]string{"node", "zone", "region"}, kind) {
			scopes = append(scopes, f.GetScope())
		}
	}
	if len(scopes) == 0 {
		return nil
	}
	return func(n *v1.Node) bool {
		return slices.ContainsFunc(scopes, func(scope string) bool { return Covers(scope, n, nil) })
	}
}
