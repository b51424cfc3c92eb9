package raftnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// node is a write that outlives the members' records: it registers a node.
func node(id string) *storev1.Envelope {
	return &storev1.Envelope{Caller: "test", Command: &storev1.Command{Command: &storev1.Command_RegisterNode{RegisterNode: &storev1.RegisterNode{
		Id: id, Instance: "i-" + id, Version: "test",
		Claims: &v1.NodeClaims{Region: "a", Zone: "a1", Services: []*v1.ServiceClaim{{Name: "imap"}}},
	}}}}
}

// register writes nodes, as many as they are named.
func (c *testCluster) register(ids ...string) {
	c.t.Helper()
	for _, id := range ids {
		c.onLeader(func(ctx context.Context, l *testMember) error {
			results, err := l.node.Propose(ctx, []*storev1.Envelope{node(id)})
			if err == nil && results[0].GetRefusal() != nil {
				err = errors.New(results[0].GetRefusal().GetMessage())
			}
			return err
		})
	}
}

func nodesOf(m *fsm.Machine) []string {
	var ids []string
	for _, n := range m.State().Nodes() {
		ids = append(ids, n.GetId())
	}
	return ids
}

// save writes a member's state to a file.
func (m *testMember) save() string {
	m.t.Helper()
	var content bytes.Buffer
	_, err := m.machine.Snapshot().WriteTo(&content)
	must(m.t, err)
	path := filepath.Join(m.t.TempDir(), "saved")
	must(m.t, os.WriteFile(path, content.Bytes(), 0o600))
	return path
}

// optionsLike are those of a member at the place of another one.
func optionsLike(i Identity) RestoreOptions {
	return RestoreOptions{MemberName: i.Name, RaftAddress: i.RaftAddress, Address: i.Address}
}

func TestASavedSnapshotGoesOnAsAClusterOfOne(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	c.register("node-1", "node-2")
	leader := c.leader()
	saved, before := leader.save(), leader.machine.State()
	c.register("node-3") // after the snapshot: lost
	for _, m := range c.members {
		must(t, m.halt())
	}
	// At the place of the first member, which is gone.
	dir := filepath.Join(t.TempDir(), "m")
	restored, err := Restore(dir, saved, optionsLike(c.members[0].identity))
	must(t, err)
	if len(restored.Forgotten) != 1 || restored.Nodes != 2 || restored.Index != before.Index() {
		t.Errorf("restored %+v", restored)
	}
	kept, err := Load(dir)
	must(t, err)
	if kept != restored.Identity {
		t.Errorf("kept %+v, told %+v", kept, restored.Identity)
	}
	goesOn(t, dir, before, []string{"node-1", "node-2"})
}

// goesOn starts the one member of a new history, wants its state to be what it
// was, and lets another one join.
func goesOn(t *testing.T, dir string, before *fsm.State, nodes []string) *testCluster {
	t.Helper()
	identity, err := Load(dir)
	must(t, err)
	c := &testCluster{t: t, members: []*testMember{{t: t, dir: dir, identity: identity}}}
	t.Cleanup(c.stopAll)
	first := c.members[0]
	first.start()
	c.leader()
	state := first.machine.State()
	if got := nodesOf(first.machine); !slices.Equal(got, nodes) {
		t.Errorf("nodes %v, want %v", got, nodes)
	}
	if state.Cluster().GetId() != before.Cluster().GetId() {
		t.Errorf("cluster %s, was %s", state.Cluster().GetId(), before.Cluster().GetId())
	}
	if epoch := state.Cluster().GetEpoch(); epoch <= before.Cluster().GetEpoch() || epoch != identity.Epoch {
		t.Errorf("epoch %d, was %d, the member's is %d", epoch, before.Cluster().GetEpoch(), identity.Epoch)
	}
	for _, n := range state.Nodes() {
		if !n.GetUnconfirmed() {
			t.Errorf("node %s is told what to do before it said what it serves", n.GetId())
		}
		same := proto.CloneOf(n)
		was := before.Node(n.GetId())
		same.Unconfirmed, same.Index = false, was.GetIndex()
		if !proto.Equal(same, was) {
			t.Errorf("node %s is\n%v\nit was\n%v", n.GetId(), same, was)
		}
	}
	if members := state.Members(); len(members) != 1 || members[0].GetId() != identity.ID || members[0].GetName() != identity.Name {
		t.Errorf("members %v", members)
	}
	c.register("node-9")
	second := c.join()
	c.register("node-8")
	c.catchUp(second)
	if got := nodesOf(second.machine); len(got) != len(nodes)+2 {
		t.Errorf("the second member has nodes %v", got)
	}
	// It must come back from its own disk as well.
	must(t, first.halt())
	first.start()
	c.register("node-7")
	return c
}

func TestASnapshotThatIsNotWholeIsRefusedAndNothingIsMade(t *testing.T) {
	c := newCluster(t, nil)
	c.register("node-1")
	path := c.members[0].save()
	whole, err := os.ReadFile(path)
	must(t, err)
	dir := filepath.Join(t.TempDir(), "m")
	refuse := func(what string, content []byte, kind error, words ...string) {
		t.Helper()
		must(t, os.WriteFile(path, content, 0o600))
		_, err := Restore(dir, path, optionsLike(c.members[0].identity))
		if err == nil {
			t.Fatalf("%s: it was restored", what)
		}
		wantError(t, err, kind, append(words, path)...)
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%s: something was made: %v", what, err)
		}
	}
	for cut := range whole {
		refuse(fmt.Sprintf("torn at byte %d", cut), whole[:cut], fsm.ErrSnapshot, "it ends ")
	}
	for at := range whole {
		flipped := slices.Clone(whole)
		flipped[at] ^= 0x10
		refuse(fmt.Sprintf("byte %d flipped", at), flipped, nil)
	}
	refuse("something behind it", append(slices.Clone(whole), 0), fsm.ErrSnapshot)
	refuse("text", []byte("this is no snapshot\n"), fsm.ErrSnapshot)
	refuse("of a newer version", newerSchema(t, whole), fsm.ErrSchema, "newer version")
}

// newerSchema is a snapshot that a newer version has written.
func newerSchema(t *testing.T, whole []byte) []byte {
	t.Helper()
	var header storev1.SnapshotRecord
	rest := bytes.NewReader(whole)
	must(t, protodelim.UnmarshalFrom(rest, &header))
	header.GetHeader().Schema = fsm.Schema + 1
	var out bytes.Buffer
	_, err := protodelim.MarshalTo(&out, &header)
	must(t, err)
	_, err = rest.WriteTo(&out)
	must(t, err)
	return out.Bytes()
}

func TestASnapshotOfNoFileOrNoClusterIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	o := initOptions(t)
	like := RestoreOptions{MemberName: o.MemberName, RaftAddress: o.RaftAddress, Address: o.Address}
	_, err := Restore(dir, t.TempDir(), like)
	wantError(t, err, nil, "no file")
	_, err = Restore(dir, filepath.Join(t.TempDir(), "missing"), like)
	wantError(t, err, os.ErrNotExist)
	empty := &testMember{t: t, machine: fsm.New()}
	_, err = Restore(dir, empty.save(), like)
	wantError(t, err, nil)
	c := newCluster(t, nil)
	c.leader()
	like.Address = "0.0.0.0:1"
	_, err = Restore(dir, c.members[0].save(), like)
	wantError(t, err, nil, "no address that others can reach")
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
}

func TestARestoreWantsAnEmptyFolder(t *testing.T) {
	c := newCluster(t, nil)
	c.leader()
	m := c.members[0]
	saved := m.save()
	_, err := Restore(m.dir, saved, optionsLike(m.identity))
	wantError(t, err, ErrUsed, m.identity.ID)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600))
	_, err = Restore(dir, saved, optionsLike(m.identity))
	wantError(t, err, ErrUsed, "notes.txt")
	_, err = Restore(t.TempDir(), saved, optionsLike(m.identity))
	must(t, err)
}

func TestWhoeverIsInTheWayOfTheOneMemberIsForgotten(t *testing.T) {
	member := func(id, name, raft, address string) *v1.Member {
		return &v1.Member{Id: id, Name: name, RaftAddress: raft, Address: address, MaxSchema: fsm.Schema}
	}
	self := member("new", "m1", "h1:1", "h1:2")
	for name, old := range map[string][]*v1.Member{
		"nobody":                    nil,
		"itself":                    {self},
		"itself and others":         {member("a", "m2", "h2:1", "h2:2"), self, member("b", "m3", "h3:1", "h3:2")},
		"one of another place":      {member("a", "m2", "h2:1", "h2:2")},
		"one of the same place":     {member("a", "m1", "h1:1", "h1:2")},
		"one of them at its place":  {member("a", "m1", "h1:1", "h1:2"), member("b", "m2", "h2:1", "h2:2"), member("c", "m3", "h3:1", "h3:2")},
		"each has something of its": {member("a", "m1", "h2:1", "h2:2"), member("b", "m2", "h1:1", "h3:2"), member("c", "m3", "h3:1", "h1:2")},
	} {
		t.Run(name, func(t *testing.T) {
			machine := fsm.New()
			apply := func(index uint64, commands ...*storev1.Command) {
				t.Helper()
				var envelopes []*storev1.Envelope
				for _, c := range commands {
					envelopes = append(envelopes, &storev1.Envelope{Schema: fsm.Schema, ClusterId: "c", Time: timestamppb.New(time.Unix(9, 0)), Command: c})
				}
				entry, err := fsm.EncodeEntry(envelopes)
				must(t, err)
				results, err := machine.Apply(index, entry)
				must(t, err)
				for _, r := range results {
					if r.GetRefusal() != nil {
						t.Fatal(r.GetRefusal().GetMessage())
					}
				}
			}
			commands := []*storev1.Command{{Command: &storev1.Command_InitCluster{InitCluster: &storev1.InitCluster{
				Cluster: &v1.Cluster{Id: "c", Name: "c", Epoch: 5, Schema: fsm.Schema},
			}}}}
			for _, m := range old {
				commands = append(commands, &storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{Member: m}}})
			}
			apply(1, commands...)
			_, err := beginHistory(machine, 1, self, 6, "it was lost", time.Unix(10, 0))
			must(t, err)
			if got := machine.State().Members(); len(got) != 1 || got[0].GetId() != self.GetId() {
				t.Errorf("members %v", got)
			}
			if machine.State().Cluster().GetEpoch() != 6 || machine.State().Index() != 2 {
				t.Errorf("epoch %d at index %d", machine.State().Cluster().GetEpoch(), machine.State().Index())
			}
		})
	}
}

func TestAnEpochIsAlwaysHigherThanTheOneBefore(t *testing.T) {
	now := time.UnixMilli(1000)
	for before, want := range map[uint64]uint64{0: 1000, 999: 1000, 1000: 1001, 5000: 5001} {
		if got := epochAfter(before, now); got != want {
			t.Errorf("after %d: %d, want %d", before, got, want)
		}
	}
	if got := epochAfter(7, time.UnixMilli(-5)); got != 8 {
		t.Errorf("with a clock before 1970: %d", got)
	}
}
