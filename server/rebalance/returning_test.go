package rebalance

import (
	"fmt"
	"testing"
	"time"
)

const unsteady = `name: unsteady
pools:
  - {name: mail,   services: [imap],   count: 7, nodes: ["node-[1-7]"], lend: false}
  - {name: webdav, services: [webdav], count: 2, nodes: [node-8, node-9]}
  - {name: jmap,   services: [jmap],   count: 1, nodes: [node-10]}
services:
  - {name: imap, floor: 1}
policy: {hold_above: 95%}
`

// Nodes that come back by the crowd are waited for, but not for ever: where
// there are always some, floors are mended all the same.
func TestNodesThatFlapInTurnHoldUpNoRepairForLong(t *testing.T) {
	inEachLead(t, unsteady, func(w *world, change func()) {
		began := time.Now()
		// Each is 12 s away, so it is marked down, and 8 s back; 7 in turn.
		turn := func() {
			for i := range 7 {
				id := fmt.Sprintf("node-%d", i+1)
				at := time.Since(began) + time.Duration(i)*20*time.Second/7
				if at%(20*time.Second) < 12*time.Second {
					w.cut(id)
				} else {
					w.restore(id)
				}
			}
		}
		flap := func(d time.Duration) { w.runUntil(d, func() bool { turn(); return false }) }
		flap(time.Minute)
		if !returning(w.Machine.State(), w.Machine.State().Effective().GetPolicy(), time.Now()) {
			t.Fatal("nobody is coming back: the test shows nothing")
		}
		w.kill("node-8", "node-9")
		flap(11 * time.Second)
		change()
		flap(45 * time.Second)
		if !w.whole() {
			t.Errorf("webdav is not mended long after both its nodes died\n%s", w.story())
		}
	})
}
