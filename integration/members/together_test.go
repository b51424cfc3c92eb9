package members

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/integration/cluster"
)

// The common case where members live on mail nodes: one host takes both away.
func TestTheLeaderAndAMailNodeDieTogether(t *testing.T) {
	const downAfter = 6 * time.Second
	s := newSite(t, 3)
	text := strings.Replace(topologyOf("first", "node-[1-2]", "node-[3-4]"), "down_after: 10s", "down_after: 6s, return_after: 3s", 1)
	s.applyText("first", text)
	o := dialAll(t, s.whole("all is well", "first", 3), "node-1")
	w := s.writeTo("node-4")
	leader, node := s.Leader(bound), s.agents[0]

	begun := time.Now()
	w.recovers(t, "kill -9 the leader and a mail node", func() {
		leader.Kill()
		node.Kill()
	})
	s.Until(bound, "imap is at its floor without node-1", func(status *cluster.Status) error {
		imap := status.Services["imap"]
		if imap.Ready < 2 || slices.Contains(imap.Nodes, "node-1") {
			return fmt.Errorf("imap is ready on %v: %v", imap.Nodes, status.Sentences)
		}
		return nil
	})
	t.Logf("imap was at its floor again %s after both were killed; the goal is down_after (%s) and three seconds", time.Since(begun).Round(100*time.Millisecond), downAfter)

	leader.Start()
	node.Start()
	s.pids[node.Name] = node.PID()
	s.whole("both are back, and what was borrowed is given back", "first", 3)
	s.kept(w)
	o.neverFailed("the leader and a mail node die together")
	s.sameAgents()
}
