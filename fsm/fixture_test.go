package fsm

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

const (
	clusterID = "c1"
	operator  = "roster://example/user/ada"
)

// began is the time of the first entry of every test.
var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig is a machine with its log: a leader's clock and a count of entries.
type rig struct {
	t     testing.TB
	m     *Machine
	index uint64
	now   time.Time
	ids   uint64
	// What the leader writes.
	schema uint32
	// Every entry so far.
	log []logged
}

type logged struct {
	index uint64
	entry []byte
}

// blank is a machine before init.
func blank(t testing.TB, l limits) *rig {
	return &rig{t: t, m: newMachine(l), now: began, schema: Schema}
}

// initialised is a machine whose cluster has begun.
func initialised(t testing.TB) *rig { return initialisedWith(t, standardLimits) }

func initialisedWith(t testing.TB, l limits) *rig {
	b := blank(t, l)
	b.mustDo(&storev1.InitCluster{Cluster: &v1.Cluster{Id: clusterID, Name: "example"}})
	return b
}

// envelope wraps a command as a leader does.
func (b *rig) envelope(command proto.Message) *storev1.Envelope {
	return &storev1.Envelope{
		Schema: b.schema, ClusterId: clusterID, Caller: operator, Time: timestamppb.New(b.now), Command: wrap(command),
	}
}

// wrap puts a command into the field of Command that has its type.
func wrap(command proto.Message) *storev1.Command {
	c := &storev1.Command{}
	m := c.ProtoReflect()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if fields.Get(i).Message().FullName() == command.ProtoReflect().Descriptor().FullName() {
			m.Set(fields.Get(i), protoreflect.ValueOfMessage(command.ProtoReflect()))
			return c
		}
	}
	panic(fmt.Sprintf("%T is no command", command))
}

// apply applies envelopes in one entry, a second after the one before.
func (b *rig) apply(envelopes ...*storev1.Envelope) ([]*storev1.Result, error) {
	b.t.Helper()
	b.now = b.now.Add(time.Second)
	b.index++
	entry, err := EncodeEntry(envelopes)
	if err != nil {
		b.t.Fatal(err)
	}
	b.log = append(b.log, logged{b.index, entry})
	return b.m.Apply(b.index, entry)
}

// do applies one command.
func (b *rig) do(command proto.Message) *storev1.Result {
	b.t.Helper()
	return b.send(b.envelope(command))
}

func (b *rig) send(env *storev1.Envelope) *storev1.Result {
	b.t.Helper()
	results, err := b.apply(env)
	if err != nil {
		b.t.Fatalf("apply: %v", err)
	}
	if len(results) != 1 {
		b.t.Fatalf("%d results for one command", len(results))
	}
	return results[0]
}

// mustDo applies one command that must succeed.
func (b *rig) mustDo(command proto.Message) *storev1.Result {
	b.t.Helper()
	r := b.do(command)
	if r.GetRefusal() != nil {
		b.t.Fatalf("%T was refused: %v", command, r.GetRefusal())
	}
	if len(r.GetParts()) > 0 {
		b.t.Fatalf("%T was refused in part: %v", command, r.GetParts())
	}
	return r
}

// content is everything that the state holds, but where in the log that is.
func (b *rig) content() string {
	var buf []byte
	_ = b.m.State().walk(func(r *storev1.SnapshotRecord) error {
		if r.GetHeader() == nil {
			buf = appendCanonical(buf, r.ProtoReflect())
		}
		return nil
	})
	return string(buf)
}

// refuse applies one command that must be refused for this reason, and change
// nothing.
func (b *rig) refuse(reason string, command proto.Message) *storev1.Result {
	b.t.Helper()
	before := b.content()
	r := b.do(command)
	if b.content() != before {
		b.t.Fatalf("%T was refused and changed something: %v", command, r)
	}
	if r.GetRefusal().GetReason() != reason {
		b.t.Fatalf("%T: want refusal %s, got %v", command, reason, r)
	}
	if r.GetRefusal().GetCode() == 0 || r.GetRefusal().GetMessage() == "" || r.GetChanged() {
		b.t.Fatalf("%T: a refusal without code or sentence: %v", command, r)
	}
	return r
}

// requestID makes the n-th request id of a test, a minute after `began`.
func requestID(n uint64) string {
	var id [16]byte
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(began.Add(time.Minute).UnixMilli()))
	copy(id[:6], ms[2:])
	id[6], id[8] = 0x70, 0x80
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return formatRequestID(id)
}

var allServices = []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"}

// claims is what an agent claims that can run these services, all live.
func claims(services ...string) *v1.NodeClaims {
	c := &v1.NodeClaims{Region: "a", Zone: "a1"}
	for i, s := range services {
		c.Services = append(c.Services, &v1.ServiceClaim{
			Name: s, Endpoints: []*v1.Endpoint{{Host: "127.0.0.1", Port: uint32(1000 + i), Tls: v1.Tls_TLS_NONE}},
		})
	}
	return c
}

// grouped is the same with all of them in one restart group.
func grouped(services ...string) *v1.NodeClaims {
	c := claims(services...)
	for _, s := range c.GetServices() {
		s.RestartGroup = "stalwart"
	}
	return c
}

func nodeID(n int) string { return fmt.Sprintf("node-%d", n) }

func instance(id string) string { return "i-" + id }

// register lets a node's agent in.
func (b *rig) register(id string, c *v1.NodeClaims) *v1.Node {
	b.t.Helper()
	b.mustDo(&storev1.RegisterNode{Id: id, Instance: instance(id), Claims: c, Version: "1"})
	return b.m.State().Node(id)
}

// nodes registers n nodes that can run everything.
func (b *rig) nodes(n int) {
	b.t.Helper()
	for i := range n {
		b.register(nodeID(i+1), claims(allServices...))
	}
}

// unified is a topology of one pool of all nodes.
func unified(services ...string) *v1.Topology {
	return &v1.Topology{Name: "unified", Pools: []*v1.Pool{{Name: "all", Services: services, Size: &v1.Pool_All{All: true}}}}
}

func floor(t *v1.Topology, service string, n uint32) *v1.Topology {
	t.Services = append(t.Services, &v1.Service{Name: service, Floor: proto.Uint32(n)})
	return t
}

func (b *rig) topology(t *v1.Topology) {
	b.t.Helper()
	b.mustDo(&storev1.ApplyTopology{Topology: t, Source: []byte("name: " + t.GetName()), AllowStop: true, AcceptShortage: true})
}

// wave is moves against the state as it is.
func (b *rig) wave(moves ...*v1.Move) *storev1.MoveAssignments {
	s := b.m.State()
	c := &storev1.MoveAssignments{TopologyRevision: s.Topology().GetRevision()}
	for _, m := range moves {
		i := slices.IndexFunc(c.Nodes, func(p *storev1.NodeMoves) bool { return p.GetBasis().GetNode() == m.GetNode() })
		if i < 0 {
			n := s.Node(m.GetNode())
			c.Nodes = append(c.Nodes, &storev1.NodeMoves{Basis: &storev1.NodeBasis{Node: m.GetNode(), Generation: n.GetGeneration(), State: n.GetState()}})
			i = len(c.Nodes) - 1
		}
		c.Nodes[i].Moves = append(c.Nodes[i].Moves, m)
	}
	return c
}

func start(node, service string) *v1.Move {
	return &v1.Move{Node: node, Service: service, Pool: "all", Action: v1.Action_ACTION_START, Reason: "its seat"}
}

func drain(node, service string) *v1.Move {
	return &v1.Move{Node: node, Service: service, Action: v1.Action_ACTION_DRAIN, Reason: "another node serves it"}
}

func undrain(node, service string) *v1.Move {
	return &v1.Move{Node: node, Service: service, Action: v1.Action_ACTION_UNDRAIN}
}

func stop(node, service string) *v1.Move {
	return &v1.Move{Node: node, Service: service, Action: v1.Action_ACTION_STOP, Reason: "its drain ended"}
}

// reports says what an agent that holds the node's newest set sees.
func (b *rig) reports(id string, state v1.ServiceState, services ...string) *storev1.ReportNode {
	n := b.m.State().Node(id)
	c := &storev1.ReportNode{Id: id, Instance: n.GetInstance(), ReportedGeneration: n.GetGeneration()}
	for _, s := range services {
		c.Reports = append(c.Reports, &v1.ServiceReport{Service: s, State: state})
	}
	return c
}

// serve starts services on a node and reports them as serving.
func (b *rig) serve(id string, services ...string) {
	b.t.Helper()
	var moves []*v1.Move
	for _, s := range services {
		moves = append(moves, start(id, s))
	}
	b.mustDo(b.wave(moves...))
	b.mustDo(b.reports(id, v1.ServiceState_SERVICE_STATE_SERVING, services...))
}

func (b *rig) state(id string, state v1.NodeState) *storev1.SetNodeStates {
	return &storev1.SetNodeStates{Changes: []*storev1.NodeStateChange{{Id: id, Instance: b.m.State().Node(id).GetInstance(), State: state, Reason: "no member heard it"}}}
}

// kinds lists the kinds of all events.
func (b *rig) kinds() []string {
	b.t.Helper()
	events, _, err := b.m.State().Events(0, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.GetKind())
	}
	return kinds
}

func (b *rig) wantEvent(kind string, about func(*v1.Event) bool) *v1.Event {
	b.t.Helper()
	events, _, err := b.m.State().Events(0, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range events {
		if e.GetKind() == kind && (about == nil || about(e)) {
			return e
		}
	}
	b.t.Fatalf("there is no such event %s among %v", kind, b.kinds())
	return nil
}

func report1(service string) *v1.ServiceReport {
	return &v1.ServiceReport{Service: service, State: v1.ServiceState_SERVICE_STATE_SERVING}
}
