package rebalance

import (
	"testing"
	"testing/synctest"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm/topology"
	"roster/server/internal/fixture"
)

// On its only node, jmap cannot be started without restarting imap.
const (
	alone    = "name: alone\npools:\n  - {name: mail, services: [imap], count: 1}\n"
	together = "name: together\npools:\n  - {name: mail, services: [imap, jmap], count: 1}\n"
)

func TestAFloorIsBrokenOnTheWayOnlyWhereTheOperatorAcceptedIt(t *testing.T) {
	for name, accepted := range map[string]bool{"accepted": true, "not accepted": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				claims := fixture.Claims("imap", "jmap")
				for _, s := range claims.GetServices() {
					s.ChangeMode, s.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "store"
				}
				h.RegisterAs("node-1", fixture.Instance("node-1"), claims)
				h.Apply(alone)
				h.run(time.Minute, h.obey)
				parsed, err := topology.Parse("together.yaml", []byte(together))
				if err != nil {
					t.Fatal(err)
				}
				h.Must(&storev1.Command{Command: &storev1.Command_ApplyTopology{ApplyTopology: &storev1.ApplyTopology{
					Topology: parsed, Source: []byte(together), AcceptGap: accepted,
				}}})
				// The next leader finds it in the order, too.
				h.run(200*time.Millisecond, h.obey)
				h.run(10*time.Minute, h.obey)
				if got := h.ready()["jmap"] == 1; got != accepted {
					t.Errorf("jmap is ready: %t", got)
				}
				gaps := 0
				for _, c := range h.Commands() {
					if c.GetMoveAssignments().GetAcceptGap() {
						gaps++
					}
				}
				if (gaps > 0) != accepted || gaps > 1 {
					t.Errorf("%d waves may break floors", gaps)
				}
			})
		})
	}
}
