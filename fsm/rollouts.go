package fsm

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// copyOrder makes an order whose fields may be set. What they point to is shared,
// so it must be replaced, not changed.
func copyOrder(o *storev1.RolloutOrder) *storev1.RolloutOrder {
	return &storev1.RolloutOrder{
		Order: o.GetOrder(), Open: o.GetOpen(), AcceptGap: o.GetAcceptGap(), Pause: o.GetPause(),
		FromRevision: o.GetFromRevision(), Start: o.GetStart(), Aborting: o.GetAborting(), Canary: o.GetCanary(),
	}
}

// openOrder notes an operator's order about nodes, which moves services: until it
// is carried out, what it brings needs no approval. It joins the one that is open,
// and waits with it.
func (d *draft) openOrder() {
	switch {
	case !d.knows(2):
		return
	case d.knows(3) && d.order.GetOpen():
		d.order = copyOrder(d.order)
		d.order.Order = d.index
	default:
		d.order = &storev1.RolloutOrder{Order: d.index, Open: true}
	}
}

// orderTopology notes an operator's order that a topology be carried out: it takes
// the place of the one that is open, but for where that began. It is asked while
// the topology before is in force.
func (d *draft) orderTopology(effective *v1.Topology, acceptGap bool) {
	before := d.order
	d.order = nil
	d.openOrder()
	if !d.knows(3) {
		return
	}
	d.order.AcceptGap = acceptGap
	d.order.Canary = newCanary(effective, d.revision())
	if before.GetOpen() && before.GetFromRevision() != 0 {
		d.order.FromRevision, d.order.Start = before.GetFromRevision(), before.GetStart()
		return
	}
	if d.order.FromRevision = d.revision(); d.revision() > 0 {
		d.order.Start = d.seats()
	}
}

// seats lists who has which seat now, by pool and node.
func (d *draft) seats() []*v1.Seat {
	var seats []*v1.Seat
	for _, n := range d.nodes.list(nodeKey) {
		of := map[string]bool{}
		for _, a := range n.GetAssignments() {
			if a.GetPool() != "" && !a.GetBorrowed() && a.GetWanted() == v1.Wanted_WANTED_SERVING && !of[a.GetPool()] {
				of[a.GetPool()] = true
				seats = append(seats, &v1.Seat{Pool: a.GetPool(), Node: n.GetId()})
			}
		}
	}
	slices.SortFunc(seats, func(a, b *v1.Seat) int {
		return cmp.Or(cmp.Compare(a.GetPool(), b.GetPool()), cmp.Compare(a.GetNode(), b.GetNode()))
	})
	return seats
}

// pauseRollout lets the order in progress wait, or go on.
func (d *draft) pauseRollout(c *storev1.PauseRollout) *storev1.Result {
	if err := checkText("reason", c.GetReason(), maxText); err != nil {
		return invalid(err)
	}
	if !c.GetPaused() {
		return d.resumeRollout(c.GetReason())
	}
	switch {
	case !d.order.GetOpen():
		return refused(codeFailedPrecondition, ReasonNoRollout, "no rollout is in progress, so there is nothing to pause; `roster freeze` keeps Roster from acting by itself")
	case d.order.GetPause() != nil:
		return &storev1.Result{}
	}
	d.pause(d.env.GetCaller(), c.GetReason())
	return &storev1.Result{Changed: true}
}

// pause lets the order wait; by is empty where Roster does so itself.
func (d *draft) pause(by, reason string) {
	d.order = copyOrder(d.order)
	d.order.Pause = &v1.Pause{By: by, Time: d.env.GetTime(), Reason: reason}
	d.emit(&v1.Event{
		Kind: EventRolloutPaused, Revision: d.revision(), Reason: reason,
		Message: fmt.Sprintf("the rollout of revision %d is paused; what was begun is finished, and repairs are made", d.revision()),
	})
}

// resumeRollout lets it go on. A canary that failed has to prove itself anew: who
// resumes says that its cause was mended, not that it does not matter.
func (d *draft) resumeRollout(reason string) *storev1.Result {
	switch {
	case !d.order.GetOpen():
		return refused(codeFailedPrecondition, ReasonNoRollout, "no rollout is in progress, so there is nothing to resume")
	case d.order.GetPause() == nil:
		return refused(codeFailedPrecondition, ReasonNotPaused, "the rollout is not paused; `roster rollout status` says what it waits for")
	}
	d.order = copyOrder(d.order)
	d.order.Pause = nil
	if d.order.GetCanary() != nil {
		d.order.Canary = &v1.Canary{Nodes: d.order.GetCanary().GetNodes()}
	}
	d.emit(&v1.Event{Kind: EventRolloutResumed, Revision: d.revision(), Message: fmt.Sprintf("the rollout of revision %d goes on", d.revision()), Reason: reason})
	return &storev1.Result{Changed: true}
}

// abortRollout walks the rollout in progress back.
func (d *draft) abortRollout(c *storev1.AbortRollout) *storev1.Result {
	if err := checkText("reason", c.GetReason(), maxText); err != nil {
		return invalid(err)
	}
	if refusal := d.abort(c.GetReason()); refusal != nil {
		return refusal
	}
	return &storev1.Result{Changed: true}
}

// abort makes what the rollout began with a new revision, and its seats the ones
// that are preferred until that is carried out. Nothing is changed where it is
// refused.
func (d *draft) abort(reason string) *storev1.Result {
	from := d.order.GetFromRevision()
	switch {
	case !d.order.GetOpen():
		return refused(codeFailedPrecondition, ReasonNoRollout, "no rollout is in progress, so there is nothing to abort; `roster topology rollback` goes back to an older revision")
	case d.order.GetAborting():
		return refused(codeFailedPrecondition, ReasonAborting, "the rollout is aborted already, and walks back to revision %d", from)
	case from == 0:
		return refused(codeFailedPrecondition, ReasonNothingBefore, "there is nothing to go back to: no topology was in force before, or the rollout is of a drain only, which `roster node undrain` calls off")
	case from == d.revision():
		return refused(codeFailedPrecondition, ReasonNothingBefore, "revision %d, which the rollout began with, is in force", from)
	}
	old := d.topologies.get(ordered(from))
	if old == nil {
		return refused(codeFailedPrecondition, ReasonRevisionNotKept, "topology revision %d, which the rollout began with, is no longer kept; apply what it should go back to", from)
	}
	// Going back needs no leave, whatever it stops: the operator said so.
	effective, refusal := d.admit(&storev1.ApplyTopology{AllowStop: true, AcceptShortage: true}, old.GetTopology(), d.nodes.list(nodeKey))
	if refusal != nil {
		return refusal
	}
	before := d.revision()
	order := copyOrder(d.order)
	order.Order, order.Pause, order.Canary, order.Aborting = d.index, nil, nil, true
	d.order = order
	d.emit(&v1.Event{
		Kind: EventRolloutAborted, Revision: before, Reason: reason,
		Message: fmt.Sprintf("the rollout of revision %d is walked back to revision %d", before, from),
	})
	d.enforce(d.nextRevision(old.GetTopology(), old.GetSource(), from), effective)
	return nil
}

// newCanary is the canary that a topology begins with: none where none is asked
// for, and none for the first, which has nothing to compare with.
func newCanary(effective *v1.Topology, revision uint64) *v1.Canary {
	if revision == 0 || effective.GetPolicy().GetRollout().GetCanary() == 0 {
		return nil
	}
	return &v1.Canary{}
}

// joinCanary counts the nodes that a wave moved among those that go first.
func (d *draft) joinCanary(nodes map[string]bool) {
	if d.order.GetCanary() == nil || len(nodes) == 0 {
		return
	}
	joined := slices.Clone(d.order.GetCanary().GetNodes())
	for id := range nodes {
		if !slices.Contains(joined, id) {
			joined = append(joined, id)
		}
	}
	if len(joined) == len(d.order.GetCanary().GetNodes()) {
		return
	}
	slices.Sort(joined)
	c := d.order.GetCanary()
	d.order = copyOrder(d.order)
	d.order.Canary = &v1.Canary{Nodes: joined, WellSince: c.GetWellSince(), Until: c.GetUntil(), Failure: c.GetFailure()}
}

// settleCanary takes the leader's judgement of the nodes that went first.
func (d *draft) settleCanary(c *storev1.SettleCanary) *storev1.Result {
	if c.GetRevision() != d.revision() || c.GetOrder() != d.order.GetOrder() {
		return d.otherOrder(c.GetRevision(), c.GetOrder())
	}
	if c.GetWellSince() != nil && c.GetWellSince().CheckValid() != nil {
		return invalid(fmt.Errorf("the canary is well since no time"))
	}
	before := d.order.GetCanary()
	if !d.order.GetOpen() || before == nil || d.order.GetPause() != nil {
		return &storev1.Result{}
	}
	d.order = copyOrder(d.order)
	nodes := amount(len(before.GetNodes()), "node")
	switch {
	case c.GetFailure() != "":
		failure := clip(c.GetFailure())
		d.order.Canary = &v1.Canary{Nodes: before.GetNodes(), Failure: failure}
		d.emit(&v1.Event{Kind: EventCanaryFailed, Revision: d.revision(), Message: fmt.Sprintf("the canary of revision %d failed", d.revision()), Reason: failure})
		d.afterFailure(clip("the canary failed: " + failure))
	case c.GetPassed():
		d.order.Canary = nil
		d.emit(&v1.Event{
			Kind: EventCanaryPassed, Revision: d.revision(), Reason: fmt.Sprintf("%s moved first and stayed well", nodes),
			Message: fmt.Sprintf("the canary of revision %d was well; the rest follows", d.revision()),
		})
	default:
		next := &v1.Canary{Nodes: before.GetNodes(), WellSince: c.GetWellSince()}
		if bake := d.effective.GetPolicy().GetRollout().GetBake(); next.GetWellSince() != nil {
			next.Until = timestamppb.New(next.GetWellSince().AsTime().Add(bake.AsDuration()))
		}
		d.order.Canary = next
		if next.GetWellSince().AsTime().Equal(before.GetWellSince().AsTime()) && (next.GetWellSince() == nil) == (before.GetWellSince() == nil) {
			d.order.Canary = before
			return &storev1.Result{}
		}
	}
	return &storev1.Result{Changed: true}
}

// afterFailure does what policy wants of a canary that failed. Where there is no
// way back, it waits for the operator.
func (d *draft) afterFailure(reason string) {
	if d.effective.GetPolicy().GetRollout().GetOnFail() == v1.OnFail_ON_FAIL_REVERT && d.abort(reason) == nil {
		return
	}
	d.pause("", reason)
}

// otherOrder refuses what was judged of an order that is not the one in force.
func (d *draft) otherOrder(revision, order uint64) *storev1.Result {
	return refused(codeAborted, ReasonStaleOrder, "the order in force is %d, of revision %d, not %d, of revision %d; look again", d.order.GetOrder(), d.revision(), order, revision)
}
