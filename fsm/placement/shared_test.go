package placement

import (
	"testing"

	v1 "roster/proto/roster/v1"
)

func shared(p *v1.Pool) *v1.Pool {
	p.Shared = true
	return p
}

func TestASharedPoolTakesNoNodeAway(t *testing.T) {
	top := topologyOf(shared(count("web", 2, "webdav")), count("imap", 2, "imap"), weight("mx", 1, "smtp-inbound"))
	target := place(t, top, plainNodes(3))
	if got := seats(target); got != "web: node-1 node-2; imap: node-1 node-2; mx: node-3" {
		t.Error(got)
	}
	if len(target.Shortages) > 0 {
		t.Error(target.Shortages)
	}
}

func TestASharedPoolStartsNothingWhereItsServicesAreWantedAnyhow(t *testing.T) {
	top := topologyOf(shared(count("web", 1, "webdav")), count("mail", 1, "imap"), count("files", 1, "webdav", "jmap"))
	target := place(t, top, plainNodes(3))
	if got := seats(target); got != "web: node-2; mail: node-1; files: node-2" {
		t.Error(got)
	}
	if pool := target.Wanted(top)["node-2"]["webdav"]; pool != "files" {
		t.Errorf("it serves webdav for %s", pool)
	}
}

func TestAmongSharedPoolsTheFirstByPriorityHasTheService(t *testing.T) {
	top := topologyOf(shared(all("a", "webdav")), priority(shared(all("b", "webdav", "jmap")), 1))
	target := place(t, top, plainNodes(2))
	if got := seats(target); got != "a: node-1 node-2; b: node-1 node-2" {
		t.Error(got)
	}
	if set := target.Wanted(top)["node-1"]; set["webdav"] != "b" || set["jmap"] != "b" {
		t.Error(set)
	}
}

// Beside imap on a node whose services restart together, or alone on one where
// they do not.
func TestASharedPoolRestartsAsLittleAsCanBe(t *testing.T) {
	nodes := plainNodes(2)
	together(nodes[0], "imap", "webdav")
	if got := seats(place(t, topologyOf(count("imap", 1, "imap"), shared(count("web", 1, "webdav"))), nodes)); got != "imap: node-1; web: node-2" {
		t.Error(got)
	}
}

func TestAFailureResizesNoSharedPool(t *testing.T) {
	top := topologyOf(count("imap", 2, "imap"), shared(all("web", "webdav")))
	nodes := plainNodes(4)
	nodes = settle(nodes, top, place(t, top, nodes))
	nodes[3].State = v1.NodeState_NODE_STATE_DOWN
	if got := sizes(place(t, top, nodes)); got != "imap 2/2, web 4/4" {
		t.Error(got)
	}
}

func TestADownNodeKeepsItsSharedSeatToo(t *testing.T) {
	w := newWorld(t, topologyOf(count("imap", 2, "imap"), shared(count("web", 2, "webdav"))), plainNodes(3))
	before := seats(w.step())
	w.kill("node-1")
	if got := seats(w.step()); got != before {
		t.Errorf("%s became %s", before, got)
	}
}

// What a cordoned node serves for a shared pool is wanted by another one, too.
// It is that one's then, and holds no shared seat.
func TestASharedSeatIsNotHeldByWhatAnotherPoolWillHave(t *testing.T) {
	top := topologyOf(shared(all("web", "jmap", "webdav")), all("files", "webdav"))
	nodes := plainNodes(1)
	serves(nodes[0], "web", "webdav").Settings.Cordoned = true
	target := place(t, top, nodes)
	if got := seats(target); got != "web: ; files: node-1" {
		t.Error(got)
	}
	if again := seats(place(t, top, settle(nodes, top, target))); again != seats(target) {
		t.Error(again)
	}
}

func TestWhatIsThereForALaterSharedPoolDoesNotCount(t *testing.T) {
	top := topologyOf(shared(count("web", 1, "webdav")), shared(where(count("files", 1, "webdav"), "id", "node-2")))
	nodes := plainNodes(2)
	before := seats(place(t, top, nodes))
	serves(nodes[1], "files", "webdav") // its rollout is the faster one
	if got := seats(place(t, top, nodes)); got != before {
		t.Errorf("%s became %s", before, got)
	}
}
