package fsm

import (
	"fmt"
	"sync"

	"github.com/hashicorp/go-memdb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Machine holds the state and changes it.
type Machine struct {
	limits limits
	db     *memdb.MemDB
	// Results by request id; what State.requests holds, for lookup.
	seen map[requestKey]*storev1.RequestRecord
	// Set once an invariant broke; nothing is applied after it.
	broken error

	mu      sync.Mutex
	state   *State
	changed chan struct{}
}

// New makes an empty machine.
func New() *Machine { return newMachine(standardLimits) }

func newMachine(l limits) *Machine {
	m := &Machine{limits: l, db: newDB(), seen: map[requestKey]*storev1.RequestRecord{}, changed: make(chan struct{})}
	m.state = &State{db: m.db.Snapshot()}
	return m
}

// State returns the newest state.
func (m *Machine) State() *State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// Changed returns a channel that is closed when there is a newer State than the
// newest one now. Take it before State, so that nothing is missed.
func (m *Machine) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// publish commits a transaction and makes its outcome the newest state. Watches
// on nodes fire within: whoever they wake must not find the state before, or it
// would ask again and again until this goroutine gets on.
func (m *Machine) publish(c core, txn *memdb.Txn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	txn.Commit()
	m.state = &State{core: c, db: m.db.Snapshot()}
	close(m.changed)
	m.changed = make(chan struct{})
}

// Apply does the commands of one committed entry, in order, and returns a
// result for each. An error means a broken invariant: nothing was changed, and
// this machine applies nothing more; the member must stop.
func (m *Machine) Apply(index uint64, entry []byte) ([]*storev1.Result, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	results, err := m.apply(index, entry)
	if err != nil {
		m.broken = fmt.Errorf("apply entry %d: %w", index, err)
		return nil, m.broken
	}
	return results, nil
}

func (m *Machine) apply(index uint64, entry []byte) ([]*storev1.Result, error) {
	base := m.State()
	if index <= base.index {
		return nil, fmt.Errorf("%w: the state is at %d already", ErrOrder, base.index)
	}
	envelopes, err := decodeEntry(entry)
	if err != nil {
		return nil, err
	}
	d := newDraft(m, base, index)
	results := make([]*storev1.Result, len(envelopes))
	for i, env := range envelopes {
		if results[i], err = d.do(env); err != nil {
			return nil, fmt.Errorf("item %d (%s): %w", i, commandName(env), err)
		}
	}
	if err := m.commit(d); err != nil {
		return nil, err
	}
	return results, nil
}

// commit makes a draft the state.
func (m *Machine) commit(d *draft) error {
	d.trimEvents()
	d.trimRequests()
	txn := m.db.Txn(true)
	if err := d.flush(txn); err != nil {
		txn.Abort()
		return err
	}
	for _, record := range d.recorded {
		m.seen[keyOf(record)] = record
	}
	for _, record := range d.forgotten {
		delete(m.seen, keyOf(record))
	}
	m.publish(d.core, txn)
	return nil
}

// draft is the state while one entry is applied.
type draft struct {
	core
	base   *State
	limits limits
	seen   map[requestKey]*storev1.RequestRecord

	nodes      staged[v1.Node]
	members    staged[v1.Member]
	topologies staged[v1.TopologyRevision]
	removed    staged[storev1.RemovedNode]
	evicted    staged[evictedID]
	freezes    staged[v1.Freeze]

	// Request results of this entry, and those that it pushed out.
	recorded  map[requestKey]*storev1.RequestRecord
	forgotten []*storev1.RequestRecord
	// d.ready is this draft's own copy.
	readyOwned bool
	// localClaims is this draft's own copy.
	claimsOwned bool
	// Events of this entry so far.
	ordinal uint32

	// The command at hand: its envelope, ready nodes before it of the floors
	// that it touched, by key, and the freezes once it asked for them.
	env     *storev1.Envelope
	touched map[string]uint32
	frozen  []*v1.Freeze
	// What is asked of parts of the nodes from this command on, where asks.
	asked []*storev1.FloorInForce
	asks  bool
	// Another topology asks for floors from this command on.
	aims bool
}

func newDraft(m *Machine, base *State, index uint64) *draft {
	txn := base.db.Txn(false)
	d := &draft{
		core: base.core, base: base, limits: m.limits, seen: m.seen,
		nodes:      stage[v1.Node](txn, tableNodes),
		members:    stage[v1.Member](txn, tableMembers),
		topologies: stage[v1.TopologyRevision](txn, tableTopologies),
		removed:    stage[storev1.RemovedNode](txn, tableRemoved),
		evicted:    stage[evictedID](txn, tableEvicted),
		freezes:    stage[v1.Freeze](txn, tableFreezes),
		recorded:   map[requestKey]*storev1.RequestRecord{},
	}
	d.index = index
	return d
}

func (d *draft) flush(txn *memdb.Txn) error {
	for _, flush := range []func(*memdb.Txn) error{
		d.nodes.flush, d.members.flush, d.topologies.flush, d.removed.flush, d.evicted.flush, d.freezes.flush,
	} {
		if err := flush(txn); err != nil {
			return err
		}
	}
	return nil
}

// do does one command. An error is a broken invariant.
func (d *draft) do(env *storev1.Envelope) (*storev1.Result, error) {
	if d.cluster != nil && env.GetClusterId() != d.cluster.GetId() {
		return nil, fmt.Errorf("%w: %q, this is %q", ErrOtherCluster, env.GetClusterId(), d.cluster.GetId())
	}
	d.env = env
	key, digest, early := d.lookup(env)
	if early != nil {
		return d.complete(early), nil
	}
	d.touched, d.frozen = map[string]uint32{}, nil
	result, err := d.dispatch(env.GetCommand())
	if err != nil {
		return nil, err
	}
	d.settleFloors()
	d.complete(result)
	if key != (requestKey{}) {
		d.record(key, digest, result)
	}
	return result, nil
}

// complete fills in what every result says. A repeated one says what it said.
func (d *draft) complete(r *storev1.Result) *storev1.Result {
	if !r.GetRepeated() {
		r.Index, r.Epoch, r.Revision = d.index, d.cluster.GetEpoch(), d.revision()
	}
	return r
}

// dispatch finds the handler. A command without one cannot have been written by
// a leader of a schema that this build reads.
func (d *draft) dispatch(c *storev1.Command) (*storev1.Result, error) {
	if _, first := c.GetCommand().(*storev1.Command_InitCluster); !first && d.cluster == nil {
		return refused(codeFailedPrecondition, ReasonNotInitialised, "the cluster is not initialised; run `roster init` on its first member"), nil
	}
	if needs := SchemaOf(c); needs > d.env.GetSchema() {
		return unread(needs, d.env.GetSchema(), nil), nil
	}
	switch c := c.GetCommand().(type) {
	case *storev1.Command_InitCluster:
		return d.initCluster(c.InitCluster), nil
	case *storev1.Command_PutMember:
		return d.putMember(c.PutMember), nil
	case *storev1.Command_RemoveMember:
		return d.removeMember(c.RemoveMember), nil
	case *storev1.Command_ApplyTopology:
		return d.applyTopology(c.ApplyTopology), nil
	case *storev1.Command_RegisterNode:
		return d.registerNode(c.RegisterNode), nil
	case *storev1.Command_ReportNode:
		return d.reportNode(c.ReportNode), nil
	case *storev1.Command_SetNodeStates:
		return d.setNodeStates(c.SetNodeStates), nil
	case *storev1.Command_UpdateNode:
		return d.updateNode(c.UpdateNode), nil
	case *storev1.Command_CordonNode:
		return d.cordonNode(c.CordonNode), nil
	case *storev1.Command_RemoveNode:
		return d.removeNode(c.RemoveNode), nil
	case *storev1.Command_MoveAssignments:
		return d.moveAssignments(c.MoveAssignments), nil
	case *storev1.Command_DrainNode:
		return d.drainNode(c.DrainNode), nil
	case *storev1.Command_ActivateNode:
		return d.activateNode(c.ActivateNode), nil
	case *storev1.Command_AdoptNode:
		return d.adoptNode(c.AdoptNode), nil
	case *storev1.Command_ReplaceNode:
		return d.replaceNode(c.ReplaceNode), nil
	case *storev1.Command_CreateFreeze:
		return d.createFreeze(c.CreateFreeze), nil
	case *storev1.Command_DeleteFreezes:
		return d.deleteFreezes(c.DeleteFreezes), nil
	case *storev1.Command_OverrideHold:
		return d.overrideHold(c.OverrideHold), nil
	case *storev1.Command_DecidePlan:
		return d.decidePlan(c.DecidePlan), nil
	case *storev1.Command_SettleRollout:
		return d.settleRollout(c.SettleRollout), nil
	case *storev1.Command_NoteAgent:
		return d.noteAgent(c.NoteAgent), nil
	case *storev1.Command_RaiseEpoch:
		return d.raiseEpoch(c.RaiseEpoch), nil
	case *storev1.Command_PauseRollout:
		return d.pauseRollout(c.PauseRollout), nil
	case *storev1.Command_AbortRollout:
		return d.abortRollout(c.AbortRollout), nil
	case *storev1.Command_SettleCanary:
		return d.settleCanary(c.SettleCanary), nil
	}
	return nil, fmt.Errorf("%w: no handler for it", ErrUndecodable)
}
