package failover

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/fsm/topology"
	"roster/integration/cluster"
	"roster/integration/netns"
)

// memberPorts are where members listen: loopback.Ports hands out these.
const memberPorts = "12000:19999"

// wired is a site whose hosts can be cut off from the members; the checker goes
// on reaching them.
type wired struct {
	*site
	nodes []cluster.Node
	hosts map[string]*netns.Host
}

func newWired(t *testing.T, n *netns.Network) *wired {
	t.Helper()
	like, err := topology.ParseNodes("nodes.yaml", topology.ExampleNodes())
	if err != nil {
		t.Fatal(err)
	}
	w := &wired{hosts: map[string]*netns.Host{}}
	for _, l := range like {
		host := n.Host()
		node := cluster.Node{ID: l.GetId(), Region: l.GetClaims().GetRegion(), Zone: l.GetClaims().GetZone(), Host: host.Address, Within: host.Argv}
		for i, service := range services {
			node.Services = append(node.Services, cluster.Service{Name: service, Port: 2100 + i, Path: map[string]string{"jmap": "/jmap", "webdav": "/dav"}[service]})
		}
		w.nodes = append(w.nodes, node)
		w.hosts[node.ID] = host
	}
	w.site = &site{Cluster: cluster.New(t, cluster.Options{Host: netns.Hub}), t: t, agents: map[string]*cluster.Agent{}}
	for i, a := range w.StartAgents(bound, w.nodes...) {
		w.agents[w.nodes[i].ID] = a
	}
	return w
}

func (w *wired) in(place func(cluster.Node) bool) []string {
	var ids []string
	for _, n := range w.nodes {
		if place(n) {
			ids = append(ids, n.ID)
		}
	}
	return ids
}

func (w *wired) cut(ids ...string) {
	for _, id := range ids {
		w.hosts[id].Cut(memberPorts)
	}
}

func (w *wired) mend(ids ...string) {
	for _, id := range ids {
		w.hosts[id].Mend(memberPorts)
	}
}

// holding says whether status begins with it.
func (w *wired) holding() (bool, string) {
	status, err := w.Status()
	if err != nil {
		return false, err.Error()
	}
	return status.State == "holding", strings.Join(status.Sentences, " / ")
}

// Nobody dies here: every host serves throughout, and the checker sees to it.
func TestWhoIsCutOffFromTheMembersServesOnAndIsBlamedOrNot(t *testing.T) {
	network, inside := netns.Enter(t)
	if !inside {
		return
	}
	w := newWired(t, network)
	status := w.apply("geographic", w.file("geographic", nil))
	w.watch(w.nodes)
	w.watcher.Floors(floorsOf(status))
	w.watcher.Expect("geographic", status.Ready())
	before, baseline := w.mustDuties(), status.Ready()
	all := w.in(func(cluster.Node) bool { return true })
	whole := func(when string) {
		t.Helper()
		w.Until(bound, "whole again, "+when, readyAgain(baseline))
		cluster.Until(t, bound, "as before, "+when, func() error { return w.same(before, nil) })
	}

	w.allTen(all, before, whole)
	w.fourOfTen(before, whole)
	w.zoneAndRegion(whole)
	w.verdict()
}

// All ten from all members: nothing moves, nothing stops, and Roster knows that it
// may be deaf.
func (w *wired) allTen(all []string, before []duty, whole func(string)) {
	w.t.Helper()
	w.cut(all...)
	began := time.Now()
	cluster.Quiet(w.t, 5*downAfter, "all ten cut off", func() error { return w.same(before, nil) })
	if holds, why := w.holding(); !holds {
		// Every node is down then, so every floor is broken, and that is worse
		// than to hold: both are said.
		status, err := w.Status()
		if err != nil || status.State != "floor_broken" || !strings.Contains(why, "hold") {
			w.t.Errorf("all ten cut off: %v, %v: %s", status.State, err, why)
		}
	}
	w.mend(all...)
	whole("all ten are back")
	cluster.Quiet(w.t, 2*returnAfter, "all ten are back", func() error { return w.same(before, nil) })
	w.t.Logf("cut off for %.0f s: nothing moved, nothing stopped", time.Since(began).Seconds())
}

// Four of ten, here and there: a hold, in which floors alone are mended.
func (w *wired) fourOfTen(before []duty, whole func(string)) {
	w.t.Helper()
	// Both that serve webdav, which breaks its floor, and two in other regions.
	victims := carriers(before, "webdav")
	for _, n := range w.nodes {
		if len(victims) < 4 && !slices.Contains(victims, n.ID) && n.Region != "c" && !slices.ContainsFunc(w.nodes, func(m cluster.Node) bool {
			return slices.Contains(victims, m.ID) && m.Region == n.Region
		}) {
			victims = append(victims, n.ID)
		}
	}
	w.cut(victims...)
	w.untilState("down", victims...)
	cluster.Until(w.t, bound, "it holds", func() error {
		if holds, why := w.holding(); !holds {
			return fmt.Errorf("%s", why)
		}
		return nil
	})
	// What restores a floor is made, nothing else, however long it takes.
	onlyFloors := func() error {
		return w.same(before, func(d duty) bool {
			return d.borrowed && !slices.ContainsFunc(carriers(before, d.service), func(id string) bool { return !slices.Contains(victims, id) })
		})
	}
	w.Until(bound, "webdav is served by one that is heard", floorsKept)
	cluster.Quiet(w.t, replaceAfter, "while it holds", onlyFloors)
	w.mend(victims...)
	whole("four are back")
	cluster.Until(w.t, bound, "the hold ends", func() error {
		if holds, why := w.holding(); holds {
			return fmt.Errorf("%s", why)
		}
		return nil
	})
}

// A whole zone, and a whole region: failover, no hold.
func (w *wired) zoneAndRegion(whole func(string)) {
	w.t.Helper()
	for what, victims := range map[string][]string{
		"zone":   w.in(func(n cluster.Node) bool { return n.Zone == w.nodes[0].Zone && n.Region == w.nodes[0].Region }),
		"region": w.in(func(n cluster.Node) bool { return n.Region == "c" }),
	} {
		w.cut(victims...)
		w.untilState("down", victims...)
		w.Until(bound, "floors are kept without the "+what, floorsKept)
		if holds, why := w.holding(); holds {
			w.t.Errorf("the whole %s silent: it holds: %s", what, why)
		}
		if what == "region" && !slices.ContainsFunc(w.mustDuties(), func(d duty) bool { return d.borrowed && d.service == "webdav" }) {
			w.t.Errorf("the region is lost and nobody borrowed webdav: %+v", w.mustDuties())
		}
		w.mend(victims...)
		whole("the " + what + " is back")
	}
}
