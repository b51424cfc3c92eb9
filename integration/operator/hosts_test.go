package operator

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/loopback"
	"roster/integration/session"
	"roster/integration/site"
)

// hostsTopology: nodes of the first three serve one service, two of the others
// the other one.
func hostsTopology(name, imap, webdav string) string {
	return fmt.Sprintf(`cluster: example-mail
name: %s
pools:
  - {name: imap, services: [imap], count: 2, nodes: ["%s"]}
  - {name: web, services: [webdav], count: 2, nodes: ["%s"]}
services:
  - {name: imap, floor: 2, drain: 2m}
  - {name: webdav, floor: 1, drain: 1s}
`, name, imap, webdav) + policy
}

const firstThree, lastThree = "node-[1-3]", "node-[4-6]"

// The services outlive their agents here, as real daemons do.
func TestHostsAndTheirAgentsObeyTheOperatorAndNobodyElse(t *testing.T) {
	t.Parallel()
	dir := loopback.Dir(t)
	var nodes []cluster.Node
	for i := range 6 {
		nodes = append(nodes, outliving(t, dir, fmt.Sprintf("node-%d", i+1), fmt.Sprintf("a%d", i%2+1)))
	}
	s := newScene(t, nodes)
	status := s.Apply("first", s.File("first.yaml", hostsTopology("first", firstThree, lastThree)))
	s.Watch(nodes)
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Expect("first", status.Ready())
	s.Watcher.Repair(true)

	older := s.frozenByTheHost()
	s.handsOff()
	s.ahead(older)
	s.okToStop()
	s.secondInstance()
	s.removed()
	s.Verdict()
}

// settles waits until all is well.
func (s *scene) settles(what string) {
	s.t.Helper()
	s.Until(site.Bound, what, func(status *cluster.Status) error {
		if status.State != "ok" || !status.Settled {
			return fmt.Errorf("%s, settled %v: %s", status.State, status.Settled, strings.Join(status.Sentences, " / "))
		}
		return nil
	})
}

// closed says whether nobody is let in any more.
func closed(address string) error {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err == nil {
		_ = conn.Close() // only its being there was asked for
		return fmt.Errorf("%s lets sessions in", address)
	}
	return nil
}

func (s *scene) freezeFile(node string) string { return filepath.Join(s.Agents[node].Data, "freeze") }

// frozenByTheHost: with the file there and no member, an agent touches nothing:
// what it was ordered before is not carried on, nor across its restart, and what
// ends by itself is not started anew. It gives the members' folders as they were
// then.
func (s *scene) frozenByTheHost() (older map[*cluster.Member]string) {
	t := s.t
	t.Helper()
	before := s.MustDuties()
	carriers := site.Carriers(before, "imap")
	leaves, crashes := carriers[0], carriers[1]
	client := session.Open(t, s.address(leaves, "imap"))
	s.CLI("node", "drain", leaves, "--reason", "new disk").OK(t)
	s.wanted(leaves, "imap", "draining")
	cluster.Until(t, site.Bound, leaves+" lets nobody in", func() error { return closed(s.address(leaves, "imap")) })

	s.Watcher.Repair(false)
	for _, m := range s.Members {
		m.Kill()
	}
	for _, id := range []string{leaves, crashes} {
		if err := os.WriteFile(s.freezeFile(id), []byte("the room is rewired, ann\nmore\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pid := pidOf(s.node(leaves), "imap")
	s.Agents[leaves].Kill()
	s.Agents[leaves].Start()
	client.End()
	s.Watcher.Fault("imap crashes on a host that is frozen", crashes)
	crashed := pidOf(s.node(crashes), "imap")
	if err := syscall.Kill(crashed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	untouched := func() error {
		if now := pidOf(s.node(leaves), "imap"); now != pid || pid == 0 {
			return fmt.Errorf("imap of %s, which drains, was process %d and is %d", leaves, pid, now)
		}
		return nil
	}
	cluster.Quiet(t, 5*time.Second, "frozen by the hosts, without members", func() error {
		if now := pidOf(s.node(crashes), "imap"); now != 0 && now != crashed {
			return fmt.Errorf("imap of %s was started: process %d", crashes, now)
		}
		return untouched()
	})
	older = map[*cluster.Member]string{}
	for _, m := range s.Members {
		older[m] = filepath.Join(loopback.Dir(t), "older")
		if err := os.CopyFS(older[m], os.DirFS(m.Data)); err != nil {
			t.Fatal(err)
		}
	}

	// One goes on, still without any member.
	if err := os.Remove(s.freezeFile(crashes)); err != nil {
		t.Fatal(err)
	}
	cluster.Until(t, site.Bound, "imap is started again without members", func() error {
		if pidOf(s.node(crashes), "imap") == 0 {
			return fmt.Errorf("it does not run")
		}
		return nil
	})

	// The members are back: they see the file, and leave the host alone.
	for _, m := range s.Members {
		m.Start()
	}
	s.told(leaves, "the room is rewired, ann")
	s.told("Remove the freeze file on " + leaves)
	s.Watcher.Healed(crashes)
	cluster.Quiet(t, 3*time.Second, "frozen by the host, with members", untouched)
	s.wanted(leaves, "imap", "draining")
	if err := os.Remove(s.freezeFile(leaves)); err != nil {
		t.Fatal(err)
	}
	cluster.Until(t, site.Bound, "the drain is carried out", func() error {
		if now := pidOf(s.node(leaves), "imap"); now != 0 {
			return fmt.Errorf("imap of %s is process %d", leaves, now)
		}
		return nil
	})
	s.wanted(leaves, "imap", "")
	s.order("node", "undrain", leaves)
	s.settles("after the hosts' freezes")
	s.Watcher.Repair(true)
	return older
}

// handsOff: a new topology leaves one node alone, and takes nothing from another
// whose host says so, until the operator, and the host, say otherwise.
func (s *scene) handsOff() {
	t := s.t
	t.Helper()
	carriers := site.Carriers(s.MustDuties(), "imap")
	off, never := carriers[0], carriers[1]
	restart := func(neverStop ...string) {
		t.Helper()
		s.Agents[never].Stop()
		node := s.node(never)
		node.NeverStop = neverStop
		s.Agents[never] = s.AddAgent(node)
		s.Agents[never].Start()
	}
	restart("imap")
	s.Until(site.Bound, never+" is up", func(status *cluster.Status) error {
		if r := s.CLI("node", "get", never, "-o", "json"); !strings.Contains(r.Stdout, `"never_stop": true`) {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	s.settles("with never_stop")
	pids := map[string]int{off: pidOf(s.node(off), "imap"), never: pidOf(s.node(never), "imap")}
	s.CLI("node", "hands-off", off, "--for", "1h", "--reason", "dovecot is debugged").OK(t)

	// Everything is to change places.
	others := []string{"node-1", "node-2", "node-3"}
	others = slices.DeleteFunc(others, func(id string) bool { return id == off })
	file := s.File("second.yaml", hostsTopology("second", lastThree, strings.Join(others, `", "`)))
	s.Watcher.Applied("second")
	s.order("topology", "apply", "-f", file, "--yes", "--allow-stop")
	s.until("the others have moved", func(now []site.Duty) error {
		web, imap := site.Carriers(now, "webdav"), site.Carriers(now, "imap")
		if !slices.Equal(web, others) || len(imap) != 4 || slices.ContainsFunc(now, func(d site.Duty) bool { return d.Wanted != "serving" }) {
			return fmt.Errorf("%+v", now)
		}
		return nil
	})
	stay := s.MustDuties()
	s.told("Frozen: node:"+off, "dovecot is debugged")
	s.told("imap", never, "never")
	s.unmoved(3*time.Second, "with hands off "+off, stay)
	for id, pid := range pids {
		if now := pidOf(s.node(id), "imap"); now != pid {
			t.Errorf("imap of %s was process %d, is %d", id, pid, now)
		}
	}
	s.CLI("node", "hands-on", off).OK(t)
	s.wanted(off, "imap", "")
	s.wanted(never, "imap", "serving")
	cluster.Until(t, site.Bound, "imap has left "+off, func() error {
		if now := pidOf(s.node(off), "imap"); now != 0 {
			return fmt.Errorf("process %d", now)
		}
		return nil
	})
	if now := pidOf(s.node(never), "imap"); now != pids[never] {
		t.Errorf("imap of %s, which its host never stops, was process %d, is %d", never, pids[never], now)
	}
	restart()
	s.wanted(never, "imap", "")
	s.settles("second")
}
