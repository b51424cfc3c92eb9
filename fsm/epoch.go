package fsm

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// servedAtRestore is the reason of what an agent turned out to serve; worded for
// ever, as servedAlready.
const servedAtRestore = "it served when the cluster was restored"

// raiseEpoch begins a new history after a recovery or a restore. The state may be
// older than what the nodes do: until a node's agent has told what it serves,
// nothing is ordered there, and nothing elsewhere on its account.
func (d *draft) raiseEpoch(c *storev1.RaiseEpoch) *storev1.Result {
	switch {
	case c.GetEpoch() <= d.cluster.GetEpoch():
		return refused(codeAborted, ReasonStaleEpoch, "the cluster is at epoch %d already, %d does not follow", d.cluster.GetEpoch(), c.GetEpoch())
	case c.GetEpoch() > maxVersion:
		return invalid(fmt.Errorf("epoch %d is too large; at most %d", c.GetEpoch(), uint64(maxVersion)))
	}
	if err := checkText("reason", c.GetReason(), maxText); err != nil {
		return invalid(err)
	}
	cluster := proto.CloneOf(d.cluster)
	cluster.Epoch = c.GetEpoch()
	d.cluster = cluster
	for _, before := range d.nodes.list(nodeKey) {
		after := copyNode(before)
		after.Unconfirmed = true
		// Agents take the new history for what it is; one that holds something
		// newer still says so again.
		after.Ahead = nil
		if after.GetSupersedes().GetEpoch() < c.GetEpoch() {
			after.Supersedes = nil
		}
		d.putNode(before, after)
	}
	d.emit(&v1.Event{
		Kind: EventEpochRaised, Reason: c.GetReason(),
		Message: fmt.Sprintf("a new history begins with epoch %d; each node tells what it serves before it is told anything", c.GetEpoch()),
	})
	return &storev1.Result{Changed: true}
}

// confirm takes an agent's first word after a restore: what serves and is not in
// the set joins it, without a seat, so that it ends in order and not by the way.
// What the set has and the agent does not serve stays wanted.
func (d *draft) confirm(n *v1.Node, reportedGeneration uint64) {
	n.Unconfirmed = false
	joined := d.joinServing(n, servedAtRestore)
	// Generations go on upwards through all histories.
	n.Generation = max(n.GetGeneration(), reportedGeneration) + 1
	d.emit(&v1.Event{
		Kind: EventNodeConfirmed, Node: n.GetId(),
		Message: fmt.Sprintf("node %s told what it serves; %s joined its set", n.GetId(), amount(joined, "service")),
	})
}
