package fsm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// The golden log and snapshot of a schema are written once, when it is new, and
// kept for ever: whatever this build becomes, it replays them to the same state.
// Where this test fails, it is the change that is wrong, unless the schema was
// never released.
var update = flag.Bool("update", false, "write the golden files of the newest schema anew; only before it is released")

const golden = "testdata/golden"

// readLog reads entries, each as index, length, bytes.
func readLog(t testing.TB, path string) []logged {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := bufio.NewReader(file)
	var log []logged
	for {
		index, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return log
		}
		size, err2 := binary.ReadUvarint(r)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		entry := make([]byte, size)
		if _, err := io.ReadFull(r, entry); err != nil {
			t.Fatal(err)
		}
		log = append(log, logged{index, entry})
	}
}

func writeGolden(t *testing.T, name string, log []logged) {
	t.Helper()
	var raw []byte
	m := New()
	for _, l := range log {
		raw = binary.AppendUvarint(binary.AppendUvarint(raw, l.index), uint64(len(l.entry)))
		raw = append(raw, l.entry...)
		if _, err := m.Apply(l.index, l.entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(golden, 0o755); err != nil {
		t.Fatal(err)
	}
	for suffix, content := range map[string][]byte{
		".log": raw, ".snap": snapshotOf(t, m), ".hash": []byte(hex.EncodeToString(m.State().Hash()) + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(golden, name+suffix), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGoldenLogsAndSnapshotsReplay(t *testing.T) {
	if *update {
		writeGolden(t, "schema1", schema1(t))
	}
	hashes, err := filepath.Glob(filepath.Join(golden, "*.hash"))
	if err != nil || len(hashes) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range hashes {
		base := strings.TrimSuffix(path, ".hash")
		t.Run(filepath.Base(base), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := hex.DecodeString(strings.TrimSpace(string(raw)))
			if err != nil {
				t.Fatal(err)
			}
			applied := New()
			for _, l := range readLog(t, base+".log") {
				if _, err := applied.Apply(l.index, l.entry); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(applied.State().Hash(), want) {
				t.Errorf("the log gives %x, it gave %x", applied.State().Hash(), want)
			}
			snap, err := os.ReadFile(base + ".snap")
			if err != nil {
				t.Fatal(err)
			}
			restored := New()
			if err := restored.Restore(bytes.NewReader(snap)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(restored.State().Hash(), want) {
				t.Errorf("the snapshot gives %x, it gave %x", restored.State().Hash(), want)
			}
		})
	}
}

// The golden log is worth its name only if it holds every command of its schema,
// done and refused.
func TestTheGoldenLogHoldsEveryCommand(t *testing.T) {
	m := New()
	done, refusals := map[string]bool{}, map[string]bool{}
	for _, l := range readLog(t, filepath.Join(golden, "schema1.log")) {
		results, err := m.Apply(l.index, l.entry)
		if err != nil {
			t.Fatal(err)
		}
		envelopes, err := decodeEntry(l.entry)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.GetRefusal() != nil {
				refusals[r.GetRefusal().GetReason()] = true
			} else {
				done[commandName(envelopes[i])] = true
			}
		}
	}
	fields := (&storev1.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("command").Fields()
	for i := range fields.Len() {
		if !done[string(fields.Get(i).Name())] {
			t.Errorf("%s is not in it", fields.Get(i).Name())
		}
	}
	if len(refusals) < 12 {
		t.Errorf("it has refusals of %d reasons only: %v", len(refusals), sortedKeys(refusals))
	}
}

// schema1 is the life of a small cluster in commands of schema 1.
func schema1(t *testing.T) []logged {
	b := initialised(t)
	b.do(&storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "again"}})
	for _, id := range []string{"m1", "m2", "m3"} {
		b.mustDo(&storev1.PutMember{Member: member(id)})
	}
	b.do(&storev1.PutMember{Member: &v1.Member{Id: "m4", Name: "name-m1", RaftAddress: "r", Address: "a", MaxSchema: 1}})
	b.do(&storev1.RemoveMember{Id: "m9"})
	b.mustDo(&storev1.RemoveMember{Id: "m3"})
	b.schema1Nodes()
	b.schema1Topologies()
	b.schema1Waves()
	b.schema1Requests()
	return b.log
}

func (b *rig) schema1Nodes() {
	for i := range 4 {
		c := claims(allServices...)
		c.Zone, c.Labels, c.Capacity = "a"+nodeID(i % 2)[5:], map[string]string{"disk": "ssd", "rack": nodeID(i)}, uint32(100*i)
		b.register(nodeID(i+1), c)
	}
	b.register("node-5", grouped("imap", "jmap"))
	b.do(&storev1.RegisterNode{Id: "node-1", Instance: "other"})
	b.do(&storev1.RegisterNode{Id: "Node 1", Instance: "other"})
	b.mustDo(&storev1.UpdateNode{Id: "node-2", Region: proto.String("b"), SetLabels: map[string]string{"disk": "hdd", "egress": "yes"}, Capacity: proto.Uint32(7)})
	b.mustDo(&storev1.UpdateNode{Id: "node-2", RemoveLabels: []string{"egress"}})
	b.do(&storev1.UpdateNode{Id: "node-2", ExpectedGeneration: proto.Uint64(99)})
	b.do(&storev1.UpdateNode{Id: "node-9"})
	b.mustDo(&storev1.CordonNode{Id: "node-4", Cordoned: true, Reason: "new disk"})
	b.do(&storev1.RemoveNode{Id: "node-3"})
	b.mustDo(b.state("node-3", v1.NodeState_NODE_STATE_DOWN))
	b.mustDo(&storev1.RemoveNode{Id: "node-3"})
	b.do(&storev1.RegisterNode{Id: "node-3", Instance: instance("node-3")})
}

func (b *rig) schema1Topologies() {
	top := floor(unified("imap", "jmap"), "imap", 2)
	top.Services[0].Drain = durationpb.New(90 * time.Second)
	b.topology(top)
	b.do(&storev1.ApplyTopology{Topology: top, ExpectedRevision: proto.Uint64(7)})
	b.do(&storev1.ApplyTopology{Topology: top, Basis: "none"})
	b.do(&storev1.ApplyTopology{RollbackTo: 9})
	b.do(&storev1.ApplyTopology{Topology: &v1.Topology{Name: "short", Pools: []*v1.Pool{
		{Name: "all", Services: []string{"imap", "jmap"}, Size: &v1.Pool_Count{Count: 40}},
	}}})
	b.topology(floor(unified("imap"), "imap", 1))
	b.mustDo(&storev1.ApplyTopology{RollbackTo: 1, AllowStop: true, AcceptShortage: true})
	b.do(&storev1.ApplyTopology{Topology: unified("imap")})
}

func (b *rig) schema1Waves() {
	for _, id := range []string{"node-1", "node-2"} {
		b.serve(id, "imap", "jmap")
	}
	b.serve("node-5", "imap")
	late := b.reports("node-5", serving, "imap")
	b.mustDo(b.wave(start("node-5", "jmap")))
	b.mustDo(late)
	b.mustDo(b.reports("node-5", serving, "imap", "jmap"))
	b.do(late)
	stale := b.wave(drain("node-1", "imap"))
	b.mustDo(stale)
	b.do(stale)
	b.do(b.wave(drain("node-2", "imap"), drain("node-5", "imap")))
	b.mustDo(b.reports("node-1", drained, "imap"))
	b.mustDo(b.wave(stop("node-1", "imap")))
	b.mustDo(b.wave(drain("node-1", "jmap")))
	b.mustDo(b.wave(undrain("node-1", "jmap")))
	b.do(&storev1.MoveAssignments{TopologyRevision: 1})
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_SUSPECT))
	b.mustDo(b.state("node-2", v1.NodeState_NODE_STATE_DOWN))
	b.register("node-2", claims("imap", "jmap"))
	b.do(&storev1.ReportNode{Id: "node-2", Instance: "other"})
	b.do(&storev1.SetNodeStates{Changes: []*storev1.NodeStateChange{{Id: "node-2", Instance: "other", State: v1.NodeState_NODE_STATE_DOWN}}})
}

func (b *rig) schema1Requests() {
	for _, env := range []*storev1.Envelope{
		b.request(requestID(1), operator, "1"), b.request(requestID(1), operator, "1"), b.request(requestID(1), operator, "2"),
		b.request("odd", operator, "1"), b.request(requestID(2), "roster://example/user/bob", "3"),
	} {
		b.send(env)
	}
	if _, err := b.apply(
		b.envelope(&storev1.CordonNode{Id: "node-4"}), b.request(requestID(3), operator, "4"), b.envelope(&storev1.RemoveNode{Id: "node-4", Force: true}),
	); err != nil {
		b.t.Fatal(err)
	}
}
