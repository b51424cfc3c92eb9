package operator

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"roster/integration/cluster"
	"roster/integration/loopback"
	"roster/integration/site"
)

// okToStop: yes with 0 and no with 2, services and members alike.
func (s *scene) okToStop() {
	t := s.t
	t.Helper()
	now := s.MustDuties()
	imap, web := site.Carriers(now, "imap"), site.Carriers(now, "webdav")
	leader := s.Leader(site.Bound)
	followers := slices.DeleteFunc(slices.Clone(s.Members), func(m *cluster.Member) bool { return m == leader })
	ask := func(code int, words []string, args ...string) {
		t.Helper()
		r := s.CLI(append([]string{"node", "ok-to-stop"}, args...)...)
		if r.Code != code {
			t.Errorf("exit code %d, wanted %d: %s", r.Code, code, r)
		}
		says(t, r.String(), r.Stdout+r.Stderr, words...)
	}
	ask(0, []string{"Yes"}, spare(now, "node-1", "node-2", "node-3"))
	ask(0, []string{"Yes"}, web[0]) // its floor is one
	ask(2, []string{"No", "webdav"}, web...)
	ask(2, []string{"No", "imap"}, imap[0])
	ask(2, []string{"No", "imap"}, imap[0], web[0])
	ask(0, []string{"Yes"}, "--with-member", leader.Name)
	ask(2, []string{"No", "1 of 3 members with a vote would answer, and 2 must"}, "--with-member", followers[0].Name, "--with-member", followers[1].Name)
	ask(1, []string{"node-99"}, "node-99")
	ask(1, []string{"nobody"}, "--with-member", "nobody")
	followers[0].Kill()
	cluster.Until(t, site.Bound, "a member is silent, so no other may be stopped", func() error {
		if r := s.CLI("node", "ok-to-stop", "--with-member", followers[1].Name); r.Code != 2 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	ask(0, []string{"Yes"}, "--with-member", followers[0].Name) // it is stopped already
	followers[0].Start()
	s.settles("the member is back")
}

// instance is who speaks for a node.
func (s *scene) instance(id string) string {
	s.t.Helper()
	var got struct {
		Node struct {
			Instance string `json:"instance"`
		} `json:"node"`
	}
	cluster.Until(s.t, site.Bound, "read "+id, func() error { return s.JSON(&got, "node", "get", id) })
	return got.Node.Instance
}

// logs waits until a process said something.
func logs(s *scene, a *cluster.Agent, words ...string) {
	s.t.Helper()
	cluster.Until(s.t, site.Bound, fmt.Sprintf("%s says %q", a.Name, words), func() error {
		text, err := os.ReadFile(a.Log)
		if err == nil && !hasAll(string(text), words) {
			err = fmt.Errorf("it said:\n%s", text)
		}
		return err
	})
}

// secondInstance: a second agent of a node is not let in while the first is up,
// and takes its place once the operator says so; what the first runs, runs on.
func (s *scene) secondInstance() {
	t := s.t
	t.Helper()
	id := site.Carriers(s.MustDuties(), "webdav")[0]
	first, pid, was := s.Agents[id], pidOf(s.node(id), "webdav"), s.instance(id)
	from := s.Newest()
	node := outliving(t, loopback.Dir(t), id, s.node(id).Zone)
	node.Instance = "b"
	second := s.AddAgent(node)
	second.Start()
	cluster.Until(t, site.Bound, "an event says that it was turned away", func() error {
		for _, e := range s.recent(from) {
			if e.Kind == "agent.refused" && e.Node == id {
				return nil
			}
		}
		return fmt.Errorf("no such event")
	})
	logs(s, second, id+" has a live agent", "roster node replace")
	if now := s.instance(id); now != was {
		t.Errorf("%s is %s now, was %s", id, now, was)
	}
	if r := s.CLI("node", "replace", id); r.Code != 1 || !strings.Contains(r.Stderr, "--force") {
		t.Errorf("replaced while its agent is up: %s", r)
	}
	s.CLI("node", "replace", id, "--force").OK(t)
	s.Until(site.Bound, "the second one speaks for "+id+" and serves", func(status *cluster.Status) error {
		if now := s.instance(id); now == was {
			return fmt.Errorf("it is %s", now)
		}
		if pidOf(node, "webdav") == 0 || !status.Settled || status.Services["webdav"].Ready != 2 {
			return fmt.Errorf("webdav: %+v, settled %v", status.Services["webdav"], status.Settled)
		}
		return nil
	})
	logs(s, first, "removed", id)
	if now := pidOf(s.node(id), "webdav"); now != pid || !first.Running() {
		t.Errorf("the old agent of %s runs: %v; its webdav was process %d, is %d", id, first.Running(), pid, now)
	}
	// Nor is it let in after a restart, and touches nothing then either.
	first.Kill()
	first.Start()
	cluster.Quiet(t, 3*time.Second, "the old agent is back", func() error {
		if now := pidOf(s.node(id), "webdav"); now != pid {
			return fmt.Errorf("its webdav was process %d, is %d", pid, now)
		}
		return nil
	})
	if now := s.instance(id); now == was {
		t.Errorf("the old agent speaks for %s again", id)
	}
}

// removed: a node that was taken out is not let in again, and serves on.
func (s *scene) removed() {
	t := s.t
	t.Helper()
	id := site.Carriers(s.MustDuties(), "imap")[0]
	pid := pidOf(s.node(id), "imap")
	if r := s.CLI("node", "remove", id, "--yes"); r.Code != 1 || !strings.Contains(r.Stderr, "--force") {
		t.Errorf("removed while it is up: %s", r)
	}
	s.CLI("node", "remove", id, "--yes", "--force").OK(t)
	logs(s, s.Agents[id], "removed", id)
	s.Agents[id].Kill()
	s.Agents[id].Start()
	s.Until(site.Bound, "its seat is another's", func(status *cluster.Status) error {
		if status.Services["imap"].Ready != 2 || slices.Contains(status.Services["imap"].Nodes, id) {
			return fmt.Errorf("%+v: %s", status.Services["imap"], strings.Join(status.Sentences, " / "))
		}
		return nil
	})
	cluster.Quiet(t, 3*time.Second, "removed", func() error {
		if now := pidOf(s.node(id), "imap"); now != pid {
			return fmt.Errorf("imap of %s was process %d, is %d", id, pid, now)
		}
		return nil
	})
	if r := s.CLI("node", "get", id); r.Code != 1 {
		t.Errorf("it was let in again: %s", r)
	}
}

// recent are the events after an index, asked for.
func (s *scene) recent(after uint64) []cluster.Event {
	s.t.Helper()
	var list struct {
		Events []cluster.Event `json:"events"`
	}
	cluster.Until(s.t, site.Bound, "list events", func() error { return s.JSON(&list, "event", "list", "--after", fmt.Sprint(after)) })
	return list.Events
}
