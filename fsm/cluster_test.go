package fsm

import (
	"testing"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func TestAClusterIsInitialisedOnce(t *testing.T) {
	b := initialised(t)
	c := b.m.State().Cluster()
	if c.GetId() != clusterID || c.GetEpoch() == 0 || c.GetSchema() != Schema || !c.GetCreated().AsTime().Equal(began) {
		t.Fatalf("cluster: %v", c)
	}
	b.refuse(ReasonAlreadyInitialised, &storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "other"}})
	if got := b.m.State().Cluster().GetName(); got != "example" {
		t.Fatalf("the name is %q now", got)
	}
	b.wantEvent(EventClusterInitialised, nil)
}

func TestAClusterNeedsAnIDAndAName(t *testing.T) {
	b := blank(t, standardLimits)
	b.refuse(ReasonInvalid, &storev1.InitCluster{})
	b.refuse(ReasonInvalid, &storev1.InitCluster{Cluster: &v1.Cluster{Id: "another", Name: "example"}})
	b.refuse(ReasonInvalid, &storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "Not A Name"}})
	b.refuse(ReasonInvalid, &storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "example", Schema: 9}})
	b.refuse(ReasonInvalid, &storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "-example"}})
	b.mustDo(&storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "mail.example-2.org"}})
}

func member(id string) *v1.Member {
	return &v1.Member{Id: id, Name: "name-" + id, RaftAddress: id + ":7400", Address: id + ":7401", MaxSchema: Schema, Version: "1"}
}

func TestMembersAreAddedChangedAndRemoved(t *testing.T) {
	b := initialised(t)
	m1 := member("m1")
	m1.Leader, m1.Voter = true, true
	b.mustDo(&storev1.PutMember{Member: m1})
	got := b.m.State().Member("m1")
	if got.GetIndex() != b.index || got.GetLeader() || got.GetVoter() {
		t.Fatalf("member: %v", got)
	}
	if r := b.mustDo(&storev1.PutMember{Member: member("m1")}); r.GetChanged() || b.m.State().Member("m1") != got {
		t.Fatalf("putting the same again changed it: %v", r)
	}
	b.mustDo(&storev1.PutMember{Member: member("m2")})
	moved := member("m1")
	moved.Address = "elsewhere:7401"
	b.mustDo(&storev1.PutMember{Member: moved})
	if got := b.m.State().Member("m1").GetAddress(); got != "elsewhere:7401" {
		t.Fatalf("address: %s", got)
	}
	b.mustDo(&storev1.RemoveMember{Id: "m2"})
	if n := len(b.m.State().Members()); n != 1 {
		t.Fatalf("%d members", n)
	}
	for _, kind := range []string{EventMemberAdded, EventMemberChanged, EventMemberRemoved} {
		b.wantEvent(kind, nil)
	}
}

func TestAMemberThatClashesOrCannotReadTheSchemaIsRefused(t *testing.T) {
	b := initialised(t)
	b.mustDo(&storev1.PutMember{Member: member("m1")})
	for name, change := range map[string]func(*v1.Member){
		"name":         func(m *v1.Member) { m.Name = "name-m1" },
		"raft address": func(m *v1.Member) { m.RaftAddress = "m1:7400" },
		"address":      func(m *v1.Member) { m.Address = "m1:7401" },
	} {
		m := member("m2")
		change(m)
		t.Log(name)
		b.refuse(ReasonMemberExists, &storev1.PutMember{Member: m})
	}
	old := member("m2")
	old.MaxSchema = 0
	b.refuse(ReasonSchema, &storev1.PutMember{Member: old})
	for name, change := range map[string]func(*v1.Member){
		"no id":           func(m *v1.Member) { m.Id = "" },
		"no raft address": func(m *v1.Member) { m.RaftAddress = "" },
		"no address":      func(m *v1.Member) { m.Address = "" },
		"a look-alike":    func(m *v1.Member) { m.Name = "nаme" }, // a Cyrillic letter
	} {
		m := member("m2")
		change(m)
		t.Log(name)
		b.refuse(ReasonInvalid, &storev1.PutMember{Member: m})
	}
	b.refuse(ReasonNoMember, &storev1.RemoveMember{Id: "m9"})
	b.refuse(ReasonLastMember, &storev1.RemoveMember{Id: "m1"})
}
