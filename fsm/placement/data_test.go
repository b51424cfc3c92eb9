package placement

import (
	"strings"
	"testing"
	"time"

	v1 "roster/proto/roster/v1"
)

// Local data binds seats, sizes and loans to the nodes that hold it, as soon as
// one does.
func TestDataOnANodesOwnDiskBindsSeatsAndSizes(t *testing.T) {
	local, shared := v1.Data_DATA_LOCAL, v1.Data_DATA_SHARED
	for name, row := range map[string]struct {
		topology v1.Data
		holds    []string // nodes whose record says so
		claims   []string // nodes whose agent says so
		want     string
	}{
		"nobody holds it: anywhere, once":               {topology: local, want: "mail: node-1 node-2"},
		"the record says so":                            {topology: local, holds: []string{"node-3", "node-4"}, want: "mail: node-3 node-4"},
		"an agent says so, and the topology does not":   {claims: []string{"node-2", "node-4"}, want: "mail: node-2 node-4"},
		"record and agent":                              {topology: local, holds: []string{"node-3"}, claims: []string{"node-4"}, want: "mail: node-3 node-4"},
		"the topology says that it is shared":           {topology: shared, holds: []string{"node-3"}, claims: []string{"node-4"}, want: "mail: node-1 node-2"},
		"a record without anybody who says it is local": {holds: []string{"node-3"}, want: "mail: node-1 node-2"},
		"one holder for two seats":                      {topology: local, holds: []string{"node-3"}, want: "mail: node-3"},
	} {
		t.Run(name, func(t *testing.T) {
			top, nodes := topologyOf(count("mail", 2, "imap")), plainNodes(4)
			top.Services = []*v1.Service{{Name: "imap", Data: row.topology}}
			for _, n := range nodes {
				if strings.Contains(strings.Join(row.holds, " "), n.Id) {
					n.Holds = []string{"imap"}
				}
				if strings.Contains(strings.Join(row.claims, " "), n.Id) {
					n.Claims.Services[0].Data = local
				}
			}
			target := place(t, top, nodes)
			if got := seats(target); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
			if name != "one holder for two seats" {
				return
			}
			if s := target.Shortages; len(s) != 1 || s[0].Reason != "pool mail wants 2 nodes and gets 1: 1 of 4 nodes may be its members (3 without its data); the data of imap is on node-3" {
				t.Errorf("%v", s)
			}
		})
	}
}

// A holder that is gone for good takes its data with it: the seat stays open,
// nobody stands in, and that is said.
func TestNobodyStandsInForDataThatIsElsewhere(t *testing.T) {
	top := topologyOf(where(count("mail", 2, "imap"), "id", "node-1", "node-2"))
	top.Services = []*v1.Service{{Name: "imap", Data: v1.Data_DATA_LOCAL}}
	w := newWorld(t, top, plainNodes(4))
	w.floors["imap"] = 2
	w.step()
	w.top.Pools[0].Where = nil
	w.pass(time.Hour)
	w.step()
	w.kill("node-1")
	for _, after := range []time.Duration{time.Second, time.Hour} {
		w.pass(after)
		target := w.step()
		if got := seats(target); got != "mail: node-1 node-2" || loans(target) != "" {
			t.Errorf("after %s: %s; loans %s", after, got, loans(target))
		}
		if s := target.Shortages; len(s) == 0 || !strings.Contains(s[len(s)-1].Reason, "2 without its data; the data of imap is on node-1 and node-2") {
			t.Errorf("after %s: %v", after, s)
		}
	}
}

// A pool that is shared loses a member: another node serves it at once, and for
// good later.
func TestAMemberOfASharedPoolIsReplacedLikeAnyOther(t *testing.T) {
	relay := count("relay", 1, "smtp-outbound")
	relay.Shared = true
	w := newWorld(t, topologyOf(count("mail", 2, "imap"), relay), plainNodes(3))
	if got := seats(w.step()); got != "mail: node-1 node-2; relay: node-1" {
		t.Fatalf("seats are %s", got)
	}
	w.floors = nil
	w.kill("node-1")
	if got := loans(w.step()); !strings.Contains(got, "node-3: smtp-outbound for relay") {
		t.Errorf("loans are %s", got)
	}
	w.pass(time.Hour)
	if got := seats(w.step()); got != "mail: node-2 node-3; relay: node-3" {
		t.Errorf("seats are %s", got)
	}
}
