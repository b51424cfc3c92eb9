package raftnode

import (
	"testing"

	storev1 "roster/proto/roster/store/v1"
)

func TestASingleMemberFoundsItsClusterAndTakesWrites(t *testing.T) {
	c := newCluster(t, nil)
	index := c.write("k", "1")
	m := c.members[0]
	if got := get(m.machine, "k"); got != "1" {
		t.Fatalf("read %q, wrote 1", got)
	}
	state := m.machine.State()
	if state.Cluster().GetId() != m.identity.ClusterID || state.Member(m.identity.ID).GetRaftAddress() != m.identity.RaftAddress {
		t.Fatalf("the state does not begin with the cluster and its member: %v, %v", state.Cluster(), state.Members())
	}
	read, _, err := m.node.ReadIndex(ctxFor(t))
	if err != nil || read < index {
		t.Fatalf("read index %d (%v), wrote at %d", read, err, index)
	}
}

func TestAWriteSurvivesARestart(t *testing.T) {
	c := newCluster(t, nil)
	c.write("k", "1")
	m := c.members[0]
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	m.start()
	c.leader()
	if got := get(m.machine, "k"); got != "1" {
		t.Fatalf("read %q after a restart, wrote 1", got)
	}
	if _, err := m.node.Propose(ctxFor(t), []*storev1.Envelope{put("k", "2")}); err != nil {
		t.Fatal(err)
	}
}

func TestThreeMembersAgree(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	index := c.write("k", "1")
	for _, m := range c.members {
		if err := m.node.WaitApplied(ctxFor(t), index); err != nil {
			t.Fatal(err)
		}
		if got := get(m.machine, "k"); got != "1" {
			t.Errorf("member %s reads %q", m.identity.Name, got)
		}
	}
}
