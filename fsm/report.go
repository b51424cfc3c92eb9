package fsm

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"roster/fsm/topology"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// reportNode records what an agent sees of its services: all of them, each time.
//
// Two rules keep old news from counting. A report that is older than the stored
// one is refused. And a report made by an agent that does not hold the node's
// newest set cannot make a service ready that was not: the newest set may have
// restarted it, and the agent does not know yet.
func (d *draft) reportNode(c *storev1.ReportNode) *storev1.Result {
	before, refusal := d.node(c.GetId())
	if refusal != nil {
		return refusal
	}
	if before.GetInstance() != c.GetInstance() {
		return refused(codeFailedPrecondition, ReasonOtherInstance, "another agent speaks for node %s now; this one's reports do not count", c.GetId())
	}
	if d.knows(2) && d.retired(before) {
		return refused(codeFailedPrecondition, ReasonNodeRemoved, "this agent of node %s was retired; its reports do not count", c.GetId())
	}
	if c.GetReportedGeneration() < before.GetReportedGeneration() {
		return refused(codeAborted, ReasonStaleReport, "node %s reported of generation %d already; this report is of %d", c.GetId(), before.GetReportedGeneration(), c.GetReportedGeneration())
	}
	reports, err := normalReports(c.GetReports())
	if err != nil {
		return invalid(fmt.Errorf("node %s: %w", c.GetId(), err))
	}
	version, err := d.newerSet(c)
	if err != nil {
		return invalid(fmt.Errorf("node %s: %w", c.GetId(), err))
	}
	// An agent that touches nothing, or was told nothing since a restore, restarted
	// nothing either.
	if c.GetReportedGeneration() < before.GetGeneration() && !observes(before) && !before.GetUnconfirmed() {
		served := servingReports(before.GetReports())
		reports = d.unproven(reports, func(service string) bool { return !served[service] }, "its agent does not hold the newest set yet")
	}
	after := copyNode(before)
	after.ReportedGeneration = c.GetReportedGeneration()
	if !slices.EqualFunc(reports, before.GetReports(), func(a, b *v1.ServiceReport) bool { return proto.Equal(a, b) }) {
		after.Reports = reports
	}
	if d.knows(2) {
		d.reportedOf(before, after, printable(c.GetFrozen()), version)
	}
	if proto.Equal(before, after) {
		return &storev1.Result{Generation: before.GetGeneration()}
	}
	d.putNode(before, after)
	return &storev1.Result{Generation: after.GetGeneration(), Changed: true}
}

// newerSet is the set that an agent holds and the cluster does not know.
func (d *draft) newerSet(c *storev1.ReportNode) (*v1.SetVersion, error) {
	v := c.GetAhead()
	switch {
	case v == nil || !d.knows(2):
		return nil, nil
	case v.GetEpoch() > maxVersion || v.GetGeneration() > maxVersion:
		return nil, fmt.Errorf("its agent says it holds epoch %d, generation %d; there is none so high", v.GetEpoch(), v.GetGeneration())
	}
	return &v1.SetVersion{Epoch: v.GetEpoch(), Generation: v.GetGeneration()}, nil
}

// reportedOf takes what an agent says of itself, and what follows from its
// reports for the set: of one that only observes, and of one that was not heard
// since a restore.
func (d *draft) reportedOf(before, after *v1.Node, frozen string, ahead *v1.SetVersion) {
	id := after.GetId()
	if after.Frozen = frozen; (frozen == "") != (before.GetFrozen() == "") {
		e := &v1.Event{Kind: EventNodeFrozen, Node: id, Message: fmt.Sprintf("node %s is frozen on its host: its agent changes nothing", id), Reason: frozen}
		if frozen == "" {
			e.Kind, e.Message, e.Reason = EventNodeUnfrozen, fmt.Sprintf("node %s is no longer frozen on its host", id), before.GetFrozen()
		}
		d.emit(e)
	}
	if after.Ahead = ahead; ahead != nil && before.GetAhead() == nil {
		d.emit(&v1.Event{
			Kind: EventNodeAhead, Node: id, Reason: fmt.Sprintf("it holds epoch %d, generation %d", ahead.GetEpoch(), ahead.GetGeneration()),
			Message: fmt.Sprintf("node %s holds a newer set than the cluster knows; it serves on, and follows nothing until `roster node adopt %s`", id, id),
		})
	}
	if before.GetUnconfirmed() {
		d.confirm(after, after.GetReportedGeneration())
	}
	if observes(after) {
		d.mirror(after)
	}
}

func servingReports(reports []*v1.ServiceReport) map[string]bool {
	serving := map[string]bool{}
	for _, r := range reports {
		if r.GetState() == v1.ServiceState_SERVICE_STATE_SERVING {
			serving[r.GetService()] = true
		}
	}
	return serving
}

// normalReports checks reports and returns them sorted by service.
func normalReports(reports []*v1.ServiceReport) ([]*v1.ServiceReport, error) {
	if len(reports) > maxServices {
		return nil, fmt.Errorf("%d services are reported; at most %d", len(reports), maxServices)
	}
	reports = slices.Clone(reports)
	for i, r := range reports {
		if err := topology.CheckName(r.GetService()); err != nil {
			return nil, fmt.Errorf("reported service: %w", err)
		}
		if _, known := v1.ServiceState_name[int32(r.GetState())]; !known || r.GetState() == v1.ServiceState_SERVICE_STATE_UNSPECIFIED {
			return nil, fmt.Errorf("service %s is reported without a state that this build knows", r.GetService())
		}
		if len(r.GetDetail()) > maxText {
			r = proto.CloneOf(r)
			r.Detail = clip(r.GetDetail())
			reports[i] = r
		}
	}
	slices.SortFunc(reports, func(a, b *v1.ServiceReport) int { return cmp.Compare(a.GetService(), b.GetService()) })
	for i := 1; i < len(reports); i++ {
		if reports[i].GetService() == reports[i-1].GetService() {
			return nil, fmt.Errorf("service %s is reported twice", reports[i].GetService())
		}
	}
	return reports, nil
}
