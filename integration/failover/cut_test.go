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
	"roster/integration/site"
)

// memberPorts are where members listen: loopback.Ports hands out these.
const memberPorts = "12000:19999"

// wired is a site whose hosts can be cut off from the members; the checker goes
// on reaching them.
type wired struct {
	*scene
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
		for i, service := range site.Services {
			node.Services = append(node.Services, cluster.Service{Name: service, Port: 2100 + i, Path: map[string]string{"jmap": "/jmap", "webdav": "/dav"}[service]})
		}
		w.nodes = append(w.nodes, node)
		w.hosts[node.ID] = host
	}
	w.scene = &scene{site.New(t, cluster.Options{Host: netns.Hub}, w.nodes), t}
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
	t.Parallel() // it waits most of the time
	network, inside := netns.Enter(t)
	if !inside {
		return
	}
	w := newWired(t, network)
	status := w.Apply("geographic", w.TopologyFile("geographic", nil))
	w.Watch(w.nodes)
	w.Watcher.Floors(site.FloorsOf(status))
	w.Watcher.Expect("geographic", status.Ready())
	before, baseline := w.MustDuties(), status.Ready()
	all := w.in(func(cluster.Node) bool { return true })
	whole := func(when string) {
		t.Helper()
		w.Until(site.Bound, "whole again, "+when, site.ReadyAgain(baseline))
		cluster.Until(t, site.Bound, "as before, "+when, func() error { return w.Same(before, nil) })
	}

	w.allTen(all, before, whole)
	w.fourOfTen(before, whole)
	w.zoneAndRegion(whole)
	w.Verdict()
}

// All ten from all members: nothing moves, nothing stops, and Roster knows that it
// may be deaf.
func (w *wired) allTen(all []string, before []site.Duty, whole func(string)) {
	w.t.Helper()
	w.cut(all...)
	began := time.Now()
	cluster.Quiet(w.t, 5*site.DownAfter, "all ten cut off", func() error { return w.Same(before, nil) })
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
	cluster.Quiet(w.t, 2*site.ReturnAfter, "all ten are back", func() error { return w.Same(before, nil) })
	w.t.Logf("cut off for %.0f s: nothing moved, nothing stopped", time.Since(began).Seconds())
}

// Four of ten, here and there: a hold, in which floors alone are mended.
func (w *wired) fourOfTen(before []site.Duty, whole func(string)) {
	w.t.Helper()
	// Both that serve webdav, which breaks its floor, and two in other regions.
	victims := site.Carriers(before, "webdav")
	for _, n := range w.nodes {
		if len(victims) < 4 && !slices.Contains(victims, n.ID) && n.Region != "c" && !slices.ContainsFunc(w.nodes, func(m cluster.Node) bool {
			return slices.Contains(victims, m.ID) && m.Region == n.Region
		}) {
			victims = append(victims, n.ID)
		}
	}
	w.cut(victims...)
	w.UntilState("down", victims...)
	cluster.Until(w.t, site.Bound, "it holds", func() error {
		if holds, why := w.holding(); !holds {
			return fmt.Errorf("%s", why)
		}
		return nil
	})
	// What restores a floor is made, nothing else, however long it takes.
	onlyFloors := func() error {
		return w.Same(before, func(d site.Duty) bool {
			return d.Borrowed && !slices.ContainsFunc(site.Carriers(before, d.Service), func(id string) bool { return !slices.Contains(victims, id) })
		})
	}
	w.Until(site.Bound, "webdav is served by one that is heard", site.FloorsKept)
	cluster.Quiet(w.t, site.ReplaceAfter, "while it holds", onlyFloors)
	w.mend(victims...)
	whole("four are back")
	cluster.Until(w.t, site.Bound, "the hold ends", func() error {
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
		w.UntilState("down", victims...)
		w.Until(site.Bound, "floors are kept without the "+what, site.FloorsKept)
		if holds, why := w.holding(); holds {
			w.t.Errorf("the whole %s silent: it holds: %s", what, why)
		}
		if what == "region" && !slices.ContainsFunc(w.MustDuties(), func(d site.Duty) bool { return d.Borrowed && d.Service == "webdav" }) {
			w.t.Errorf("the region is lost and nobody borrowed webdav: %+v", w.MustDuties())
		}
		w.mend(victims...)
		whole("the " + what + " is back")
	}
}
