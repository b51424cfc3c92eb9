package session

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
)

const (
	// wordsEvery is how many heartbeats lie between reports that differ in words
	// or counts only: a probe's text may be another one each time.
	wordsEvery = 10
	// reportBurst is how many transitions an agent may report in a row; then one
	// each quarter of a heartbeat. A service that flaps must not fill the log.
	reportBurst = 16
	// firstRetry is the pause after a report that was not written; it doubles, up
	// to a heartbeat.
	firstRetry = 50 * time.Millisecond
)

// report writes what the agent sees whenever the record says otherwise.
func (c *conversation) report(ctx context.Context) {
	r := &reporter{c: c, caller: auth.Caller(ctx).URI(), credit: reportBurst, counted: time.Now()}
	again := time.NewTimer(0)
	defer again.Stop()
	again.Stop()
	var beat *v1.Heartbeat
	for {
		select {
		case <-ctx.Done():
			return
		case beat = <-c.beats:
		case <-again.C:
		}
		again.Stop()
		if pause := r.tell(ctx, beat); pause > 0 {
			again.Reset(pause)
		}
	}
}

// reporter is what one session remembers of its reports.
type reporter struct {
	c      *conversation
	caller string

	// told is when the last report was written.
	told time.Time
	// The last question that the state machine answered: the record that the
	// answer left, and the report. Asked again it would say the same.
	answered uint64
	said     *v1.Heartbeat
	failures int

	credit  float64
	counted time.Time
}

// tell writes a report if it is news. It returns when to look at it again; 0:
// with the next heartbeat.
func (r *reporter) tell(ctx context.Context, beat *v1.Heartbeat) time.Duration {
	record := r.c.hub.cfg.Machine.State().Node(r.c.node)
	if record == nil || !differs(record, beat) {
		return 0
	}
	if r.said != nil && record.GetIndex() == r.answered && sameWords(r.said, beat) {
		return 0
	}
	if !transition(record, beat) {
		if left := wordsEvery*r.c.hub.cfg.Heartbeat - time.Since(r.told); left > 0 && !r.told.IsZero() {
			return left
		}
	}
	if pause := r.spend(); pause > 0 {
		return pause
	}
	limited, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	result, err := r.c.hub.cfg.Proposer.Propose(limited, r.caller, "", &storev1.Command{Command: &storev1.Command_ReportNode{
		ReportNode: &storev1.ReportNode{
			Id: r.c.node, Instance: r.c.instance, Reports: beat.GetReports(), ReportedGeneration: beat.GetGeneration(),
			Frozen: beat.GetFrozen(), Ahead: ahead(beat),
		},
	}})
	if err == nil {
		// Compare with a record that knows of it, or it is written twice.
		err = r.c.hub.applied(limited, result.GetIndex())
	}
	if err != nil {
		r.c.log.Debug("report not written yet", "error", err)
		r.failures++
		return min(firstRetry<<min(r.failures, 10), r.c.hub.cfg.Heartbeat)
	}
	r.failures, r.told = 0, time.Now()
	// Where the record has changed again by now, as when the node was marked down
	// and up, the answer says nothing of it.
	if r.said = nil; r.c.hub.cfg.Machine.State().Node(r.c.node).GetIndex() <= result.GetIndex() {
		r.said, r.answered = beat, r.c.hub.cfg.Machine.State().Node(r.c.node).GetIndex()
	}
	if refusal := result.GetRefusal(); refusal != nil {
		r.c.log.Warn("report refused", "reason", refusal.GetMessage())
	}
	return 0
}

// spend takes one write from the budget, or says how long to wait for it.
func (r *reporter) spend() time.Duration {
	each := r.c.hub.cfg.Heartbeat / 4
	now := time.Now()
	r.credit = min(reportBurst, r.credit+float64(now.Sub(r.counted))/float64(each))
	r.counted = now
	if r.credit < 1 {
		return time.Duration((1-r.credit)*float64(each)) + time.Millisecond
	}
	r.credit--
	return 0
}

// differs says whether there is anything to tell.
func differs(record *v1.Node, beat *v1.Heartbeat) bool {
	if !fsm.Reported(record, beat.GetGeneration(), beat.GetReports()) || heldBack(record, beat) {
		return true
	}
	for _, r := range beat.GetReports() {
		// Who waits for a drain wants to see the sessions end.
		if r.GetState() == v1.ServiceState_SERVICE_STATE_DRAINING && r.GetSessions() != reported(record, r.GetService()).GetSessions() {
			return true
		}
	}
	return false
}

// transition says whether more than words and counts differ.
func transition(record *v1.Node, beat *v1.Heartbeat) bool {
	if record.GetReportedGeneration() != beat.GetGeneration() || len(record.GetReports()) != len(beat.GetReports()) || heldBack(record, beat) {
		return true
	}
	for _, r := range beat.GetReports() {
		k := reported(record, r.GetService())
		if k == nil || k.GetState() != r.GetState() || k.GetPid() != r.GetPid() {
			return true
		}
	}
	return false
}

// heldBack says whether the record has yet to learn why the agent acts on
// nothing, or that it does again; or waits, after a restore, for any word of it.
func heldBack(record *v1.Node, beat *v1.Heartbeat) bool {
	return record.GetUnconfirmed() || record.GetFrozen() != beat.GetFrozen() || !proto.Equal(record.GetAhead(), ahead(beat))
}

// ahead is the set that an agent holds on to, though the cluster knows none such.
func ahead(beat *v1.Heartbeat) *v1.SetVersion {
	if !beat.GetAhead() {
		return nil
	}
	return &v1.SetVersion{Epoch: beat.GetEpoch(), Generation: beat.GetGeneration()}
}

func reported(n *v1.Node, service string) *v1.ServiceReport {
	for _, r := range n.GetReports() {
		if r.GetService() == service {
			return r
		}
	}
	return nil
}

// sameWords says whether two heartbeats report the same, in the same order.
func sameWords(a, b *v1.Heartbeat) bool {
	if a.GetGeneration() != b.GetGeneration() || a.GetFrozen() != b.GetFrozen() || !proto.Equal(ahead(a), ahead(b)) || len(a.GetReports()) != len(b.GetReports()) {
		return false
	}
	for i, r := range a.GetReports() {
		o := b.GetReports()[i]
		if r.GetService() != o.GetService() || r.GetState() != o.GetState() || r.GetPid() != o.GetPid() ||
			r.GetDetail() != o.GetDetail() {
			return false
		}
		if r.GetState() == v1.ServiceState_SERVICE_STATE_DRAINING && r.GetSessions() != o.GetSessions() {
			return false
		}
	}
	return true
}
