package operator

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"roster/integration/cluster"
	"roster/integration/site"
)

// ahead: all members come back with older folders, as from an old copy of their
// disks. The agents hold newer sets; they serve on, and follow the older cluster
// only where the operator says so, in order.
func (s *scene) ahead(older map[*cluster.Member]string) {
	t := s.t
	t.Helper()
	s.Watcher.Repair(false)
	pids := map[string]int{}
	for _, d := range s.MustDuties() {
		pids[d.Node+" "+d.Service] = pidOf(s.node(d.Node), d.Service)
	}
	for _, m := range s.Members {
		m.Kill()
	}
	for _, m := range s.Members {
		if err := os.RemoveAll(m.Data); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(m.Data, os.DirFS(older[m])); err != nil {
			t.Fatal(err)
		}
		m.Start()
	}
	s.Watcher.Applied("an older state of the members")
	s.Leader(site.Bound)
	s.told("roster node adopt")
	var all []string
	for _, n := range s.nodes {
		all = append(all, n.ID)
	}
	s.UntilState("up", all...)
	cluster.Quiet(t, 3*time.Second, "agents are ahead", func() error {
		for where, pid := range pids {
			node, service, _ := strings.Cut(where, " ")
			if now := pidOf(s.node(node), service); now != pid || pid == 0 {
				return fmt.Errorf("%s: process %d, was %d", where, now, pid)
			}
		}
		return nil
	})
	status, err := s.Status()
	if err != nil || status.Topology.Name != "first" || status.State == "ok" {
		t.Errorf("agents are ahead: %+v, %v", status, err)
	}
	// One after the other, until nobody is.
	adopted := 0
	for _, id := range all {
		var got struct {
			Node struct {
				Ahead *struct{} `json:"ahead"`
			} `json:"node"`
		}
		cluster.Until(t, site.Bound, "read "+id, func() error { return s.JSON(&got, "node", "get", id) })
		if got.Node.Ahead == nil {
			if r := s.CLI("node", "adopt", id); r.Code != 1 {
				t.Errorf("%s is not ahead: %s", id, r)
			}
			continue
		}
		s.order("node", "adopt", id)
		adopted++
	}
	if adopted == 0 {
		t.Error("no agent was ahead")
	}
	// The older word is that a node is drained.
	for _, n := range s.mustStatus().Nodes {
		if n.Drained {
			s.order("node", "undrain", n.ID)
		}
	}
	s.settles("the older cluster's topology is true")
	now := s.MustDuties()
	if imap, web := site.Carriers(now, "imap"), site.Carriers(now, "webdav"); len(imap) != 2 || len(web) != 2 || slices.ContainsFunc(imap, func(id string) bool { return id > "node-3" }) {
		t.Errorf("after %d nodes were adopted: %+v", adopted, now)
	}
	t.Logf("%d agents were ahead, and were let follow again", adopted)
}

func (s *scene) mustStatus() *cluster.Status {
	s.t.Helper()
	return s.Until(site.Bound, "read the status", func(*cluster.Status) error { return nil })
}
