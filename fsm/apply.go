package fsm

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// mostStops is the share of the assignments, in percent, that a topology may
// stop without allow_stop.
const mostStops = 20

// applyTopology makes a topology, or the content of a kept revision, the one in
// force.
func (d *draft) applyTopology(c *storev1.ApplyTopology) *storev1.Result {
	if c.ExpectedRevision != nil && c.GetExpectedRevision() != d.revision() {
		return refused(codeAborted, ReasonStaleRevision, "topology revision %d is in force, not %d; look at it and plan again", d.revision(), c.GetExpectedRevision())
	}
	nodes := d.nodes.list(nodeKey)
	wanted, source := c.GetTopology(), c.GetSource()
	if c.GetRollbackTo() != 0 {
		old := d.topologies.get(ordered(c.GetRollbackTo()))
		if old == nil {
			return refused(codeNotFound, ReasonRevisionNotKept, "topology revision %d is not kept; `roster topology history` shows those that are", c.GetRollbackTo())
		}
		wanted, source = old.GetTopology(), old.GetSource()
	}
	if c.GetBasis() != "" && c.GetBasis() != basis(wanted, d.revision(), nodes, d.env.GetSchema()) {
		return refused(codeAborted, ReasonStaleBasis, "the plan's basis is no longer true: it was made for another file, or the topology in force or some nodes changed since; plan again")
	}
	if refusal := checkTopology(wanted, source, d.cluster.GetName()); refusal != nil {
		return refusal
	}
	if proto.Equal(d.topology.GetTopology(), wanted) && bytes.Equal(d.topology.GetSource(), source) {
		d.acceptGap(c)
		return &storev1.Result{}
	}
	effective, refusal := d.admit(c, wanted, nodes)
	if refusal != nil {
		return refusal
	}
	d.orderTopology(effective, c.GetAcceptGap())
	d.enforce(d.nextRevision(wanted, source, c.GetRollbackTo()), effective)
	if d.order.GetAcceptGap() {
		d.tellGap()
	}
	return &storev1.Result{Changed: true}
}

// acceptGap takes the operator's word that floors may be broken, given anew for
// the topology that is being carried out.
func (d *draft) acceptGap(c *storev1.ApplyTopology) {
	if c.GetAcceptGap() && d.order.GetOpen() && !d.order.GetAcceptGap() {
		d.order = copyOrder(d.order)
		d.order.AcceptGap = true
		d.tellGap()
	}
}

func (d *draft) tellGap() {
	d.emit(&v1.Event{
		Kind: EventGapAccepted, Revision: d.revision(), Reason: "the operator accepts it",
		Message: fmt.Sprintf("the rollout of revision %d may take services below their floors where there is no other way, one node at a time", d.revision()),
	})
}

// nextRevision is a topology as the revision that follows the one in force.
func (d *draft) nextRevision(t *v1.Topology, source []byte, rollbackOf uint64) *v1.TopologyRevision {
	return &v1.TopologyRevision{
		Revision: d.revision() + 1, Topology: t, Source: source,
		Author: d.env.GetCaller(), Time: d.env.GetTime(), Index: d.index, RollbackOf: rollbackOf,
	}
}

func checkTopology(t *v1.Topology, source []byte, cluster string) *storev1.Result {
	switch {
	case t == nil:
		return invalid(errors.New("there is no topology in the command"))
	case len(source) > maxSource || proto.Size(t) > maxSource:
		return invalid(fmt.Errorf("the topology is larger than %d bytes; name nodes by label or by range", maxSource))
	}
	if err := purely(func() error { return topology.Validate(t) }); err != nil {
		return unfit(codeInvalidArgument, ReasonInvalid, err)
	}
	if err := purely(func() error { return topology.CheckCluster(t, cluster) }); err != nil {
		return unfit(codeInvalidArgument, ReasonWrongCluster, err)
	}
	return nil
}

// admit decides whether the cluster's nodes and the operator's consent suffice.
func (d *draft) admit(c *storev1.ApplyTopology, wanted *v1.Topology, nodes []*v1.Node) (*v1.Topology, *storev1.Result) {
	var effective *v1.Topology
	var target *placement.Target
	freezes, now := d.freezes.list(freezeKey), d.env.GetTime().AsTime()
	if err := purely(func() (err error) {
		effective = topology.Effective(wanted)
		target, err = placement.Place(placementView(&d.core, effective, nodes, freezes, now))
		return err
	}); err != nil {
		return nil, unfit(codeFailedPrecondition, ReasonImpossible, err)
	}
	if lacks := shortages(effective, target, nodes); len(lacks) > 0 && !c.GetAcceptShortage() {
		return nil, refused(codeFailedPrecondition, ReasonShortage, "today's nodes cannot fill it: %s; %s, or use --accept-shortage", shortageWords(lacks), shortageMend(&d.core, effective, target, nodes, freezes, now))
	}
	if !c.GetAllowStop() {
		if why := stops(d.effective, effective, target, nodes); why != "" {
			return nil, refused(codeFailedPrecondition, ReasonNeedsAllowStop, "it %s; if that is meant, it needs --allow-stop", why)
		}
	}
	return effective, nil
}

// stops says what a topology takes away that only a deliberate operator may.
func stops(before, after *v1.Topology, target *placement.Target, nodes []*v1.Node) string {
	named := map[string]bool{}
	for _, service := range placedServices(after) {
		named[service] = true
	}
	for _, service := range placedServices(before) {
		if !named[service] {
			return "removes service " + service
		}
	}
	wanted := target.Wanted(after)
	serving, stopped := 0, 0
	for _, n := range nodes {
		for _, a := range n.GetAssignments() {
			// What stands in goes back by itself, and what only is observed is stopped
			// by nobody.
			if a.GetWanted() != v1.Wanted_WANTED_SERVING || a.GetBorrowed() || observes(n) {
				continue
			}
			serving++
			if _, stays := wanted[n.GetId()][a.GetService()]; !stays {
				stopped++
			}
		}
	}
	if stopped*100 > serving*mostStops {
		return fmt.Sprintf("stops %d of %s, more than %d %%", stopped, amount(serving, "assignment"), mostStops)
	}
	return ""
}

// enforce makes a revision the one in force. What was ordered with it is noted
// already.
func (d *draft) enforce(t *v1.TopologyRevision, effective *v1.Topology) {
	for _, service := range append(placedServices(effective), sortedKeys(d.floors)...) {
		d.touched[service] = d.ready[service]
	}
	d.topology, d.effective, d.aims = t, effective, true
	d.approvals = nil
	d.ask(rollout.PartsUnder(effective, rollout.PartsOf(d.floors)))
	d.holdReady(placedServices(effective)...)
	d.topologies.put(topologyKey(t), t)
	if keep := uint64(d.limits.revisions); t.GetRevision() > keep {
		d.topologies.drop(ordered(t.GetRevision() - keep))
	}
	event := &v1.Event{
		Kind: EventTopologyApplied, Revision: t.GetRevision(),
		Message: fmt.Sprintf("topology %s is in force as revision %d", t.GetTopology().GetName(), t.GetRevision()),
	}
	if t.GetRollbackOf() != 0 {
		event.Kind = EventTopologyRolledBack
		event.Message = fmt.Sprintf("topology %s of revision %d is in force again, as revision %d", t.GetTopology().GetName(), t.GetRollbackOf(), t.GetRevision())
	}
	d.emit(event)
}

// errPlanner: a pure step failed instead of judging.
var errPlanner = errors.New("this topology makes the planner fail, which is a fault of Roster; report it with the file")

// unfit refuses for what a pure step found.
func unfit(code uint32, reason string, err error) *storev1.Result {
	if errors.Is(err, errPlanner) {
		code, reason = codeInternal, ReasonInternal
	}
	return refused(code, reason, "%s", err.Error())
}

// purely runs a pure step that decides about a command. One that panics on odd
// input does so on every member: it is a refusal rather than the end of all.
func purely(step func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPlanner
		}
	}()
	return step()
}
