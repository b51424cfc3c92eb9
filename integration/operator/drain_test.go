package operator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/session"
	"roster/integration/site"
)

// ordersTopology: two of three nodes serve imap, both that can serve jmap, two of
// four webdav; every floor is what is there.
const ordersTopology = `cluster: example-mail
name: orders
pools:
  - {name: imap, services: [imap], count: 2, nodes: ["node-[1-3]"]}
  - {name: store, services: [jmap], count: 2, nodes: ["node-[4-5]"]}
  - {name: web, services: [webdav], count: 2, nodes: ["node-[6-9]"]}
services:
  - {name: imap, floor: 2, drain: 2m}
  - {name: jmap, floor: 2, drain: 1s}
  - {name: webdav, floor: 2, drain: 1s}
`

func newOrders(t *testing.T) *scene {
	t.Helper()
	var nodes []cluster.Node
	for i := range 9 {
		service := []string{"imap", "imap", "imap", "jmap", "jmap", "webdav", "webdav", "webdav", "webdav"}[i]
		nodes = append(nodes, cluster.Builtin(t, fmt.Sprintf("node-%d", i+1), "a", fmt.Sprintf("z%d", i+1), service))
	}
	s := newScene(t, nodes)
	status := s.Apply("orders", s.File("orders.yaml", ordersTopology+policy))
	s.Watch(nodes)
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Expect("orders", status.Ready())
	s.Watcher.Repair(true)
	return s
}

func TestDrainsAndFreezesAreCarriedOutAsOrderedWhoeverDies(t *testing.T) {
	t.Parallel()
	s := newOrders(t)
	s.drainUnderTwoLeaders()
	s.drainCalledOff()
	s.drainThatAFloorBlocks()
	s.frozenThroughADeath()
	s.Verdict()
}

// spare is the node among some that serves nothing.
func spare(all []site.Duty, among ...string) string {
	for _, id := range among {
		if !slices.ContainsFunc(all, func(d site.Duty) bool { return d.Node == id }) {
			return id
		}
	}
	return ""
}

// The leader dies in the middle; whoever waits for the drain waits on.
func (s *scene) drainUnderTwoLeaders() {
	t := s.t
	t.Helper()
	before := s.MustDuties()
	leaves, comes := site.Carriers(before, "imap")[0], spare(before, "node-1", "node-2", "node-3")
	from := s.Newest()
	client := session.Open(t, s.address(leaves, "imap"))
	waited := make(chan cluster.Result, 1)
	go func() {
		waited <- s.CLI("node", "drain", leaves, "--deadline", "10m", "--reason", "new disk", "--wait")
	}()
	s.wanted(leaves, "imap", "draining")
	begun := time.Now()
	dead := s.leaderDies()
	s.Leader(site.Bound)
	t.Logf("a drain: the next leader was there %.1f s after the first was killed", time.Since(begun).Seconds())
	s.told("Drained: "+leaves, "new disk", "imap drains")
	if err := client.Lives(); err != nil {
		t.Errorf("a session on the node that is drained: %v", err)
	}
	select {
	case r := <-waited:
		t.Fatalf("nobody waited for the session: %s", r)
	default:
	}
	client.End()
	r := (<-waited).OK(t)
	says(t, "the drain", r.Stdout+r.Stderr, leaves+" is drained")
	s.wanted(leaves, "imap", "")
	s.until(comes+" has its seat", func(now []site.Duty) error {
		if !slices.Contains(now, site.Duty{Node: comes, Service: "imap", Pool: "imap", Wanted: "serving"}) {
			return fmt.Errorf("%+v", now)
		}
		return nil
	})
	// In this order: the replacement is wanted, is ready, and only then is the
	// other told to leave.
	order := []string{"assignment.start " + comes, "service.ready " + comes, "assignment.drain " + leaves, "assignment.stop " + leaves}
	cluster.Until(t, site.Bound, "the events are told", func() error {
		var seen []string
		for _, e := range s.Events.Since(from, "") {
			if line := e.Kind + " " + e.Node; e.Service == "imap" && slices.Contains(order, line) {
				seen = append(seen, line)
			}
		}
		if !slices.Equal(seen, order) {
			return fmt.Errorf("%q", seen)
		}
		return nil
	})
	dead.Start()
	s.order("node", "undrain", leaves)
	s.Until(site.Bound, leaves+" is free", func(status *cluster.Status) error {
		if status.State != "ok" || !status.Settled {
			return fmt.Errorf("%s: %s", status.State, strings.Join(status.Sentences, " / "))
		}
		return nil
	})
	if now := spare(s.MustDuties(), leaves); now != leaves {
		t.Errorf("%s serves again: %+v", leaves, s.MustDuties())
	}
}

// Called off in the middle, under another leader than the one that was told:
// everything is as before.
func (s *scene) drainCalledOff() {
	t := s.t
	t.Helper()
	before := s.MustDuties()
	stays := site.Carriers(before, "imap")[0]
	client := session.Open(t, s.address(stays, "imap"))
	s.CLI("node", "drain", stays, "--reason", "a mistake").OK(t)
	dead := s.leaderDies() // perhaps before the replacement has begun
	s.wanted(stays, "imap", "draining")
	s.order("node", "undrain", stays)
	cluster.Until(t, site.Bound, "everything is as before", func() error { return s.Same(before, nil) })
	dead.Start()
	s.Until(site.Bound, "settled", func(status *cluster.Status) error {
		if status.State != "ok" || !status.Settled {
			return fmt.Errorf("%s: %s", status.State, strings.Join(status.Sentences, " / "))
		}
		return nil
	})
	if err := s.Same(before, nil); err != nil {
		t.Errorf("a drain that was called off: %v", err)
	}
	if err := client.Lives(); err != nil {
		t.Errorf("a session over it all: %v", err)
	}
	session.Open(t, s.address(stays, "imap")).End() // new ones are let in
	client.End()
}

// Nobody else can serve jmap: nothing moves, and everybody is told why.
func (s *scene) drainThatAFloorBlocks() {
	t := s.t
	t.Helper()
	before := s.MustDuties()
	begun := time.Now()
	r := s.CLI("node", "drain", "node-4", "--deadline", "4s", "--reason", "new disk", "--wait")
	if r.Code != 3 {
		t.Errorf("a drain that a floor blocks: %s", r)
	}
	t.Logf("a drain that a floor blocks, after %.1f s: %s", time.Since(begun).Seconds(), r)
	says(t, "a drain that a floor blocks", r.Stderr, "deadline passed", "jmap", "its floor is 2", "roster node undrain node-4")
	s.told("jmap", "node-4", "a floor in force of 2")
	s.told("Drained: node-4", "floors are kept all the same")
	s.unmoved(3*time.Second, "a drain that a floor blocks", before)
	status, err := s.Status()
	if err != nil || status.State == "floor_broken" || status.Settled {
		t.Errorf("a drain that a floor blocks: %+v, %v", status, err)
	}
	s.order("node", "undrain", "node-4")
	s.Until(site.Bound, "settled", func(status *cluster.Status) error {
		if status.State != "ok" || !status.Settled {
			return fmt.Errorf("%s: %s", status.State, strings.Join(status.Sentences, " / "))
		}
		return s.Same(before, nil)
	})
}
