package fsm

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// SchemaOf is the least schema whose readers know what a command asks for. A
// leader writes none of a newer schema than the cluster's: a member that cannot
// read it would have to stop.
func SchemaOf(c *storev1.Command) uint32 {
	switch c := c.GetCommand().(type) {
	case *storev1.Command_DrainNode, *storev1.Command_ActivateNode, *storev1.Command_AdoptNode, *storev1.Command_ReplaceNode,
		*storev1.Command_CreateFreeze, *storev1.Command_DeleteFreezes, *storev1.Command_OverrideHold, *storev1.Command_DecidePlan,
		*storev1.Command_SettleRollout, *storev1.Command_NoteAgent, *storev1.Command_RaiseEpoch:
		return 2
	case *storev1.Command_PauseRollout, *storev1.Command_AbortRollout, *storev1.Command_SettleCanary:
		return 3
	case *storev1.Command_ApplyTopology:
		if c.ApplyTopology.GetAcceptGap() || asksSchema3(c.ApplyTopology.GetTopology()) {
			return 3
		}
	case *storev1.Command_MoveAssignments:
		if c.MoveAssignments.GetWithParts() || c.MoveAssignments.GetAcceptGap() {
			return 3
		}
		for _, part := range c.MoveAssignments.GetNodes() {
			if slices.ContainsFunc(part.GetMoves(), (*v1.Move).GetBorrowed) {
				return 2
			}
		}
	}
	return 1
}

// asksSchema3 says whether a topology has a key that older builds refuse.
func asksSchema3(t *v1.Topology) bool {
	return t.GetSurvives() != nil || t.GetPolicy().GetRollout() != nil || slices.ContainsFunc(t.GetPools(), (*v1.Pool).GetShared) ||
		slices.ContainsFunc(t.GetServices(), func(s *v1.Service) bool {
			return len(s.GetFloors()) > 0 || s.GetData() != v1.Data_DATA_UNSPECIFIED
		})
}

// Unread is the refusal of a command that some member cannot read yet, for the
// leader to give before it writes; nil: all can. The schema that the cluster
// writes is raised by Apply as soon as every member's record says that it reads
// a newer one, and never goes back.
func (s *State) Unread(c *storev1.Command) *storev1.Result {
	needs, written := SchemaOf(c), s.cluster.GetSchema()
	if written == 0 || needs <= written {
		return nil
	}
	var behind []string
	for _, m := range s.Members() {
		if m.GetMaxSchema() < needs {
			behind = append(behind, m.GetName())
		}
	}
	r := unread(needs, written, behind)
	r.Index, r.Epoch, r.Revision = s.index, s.cluster.GetEpoch(), s.revision()
	return r
}

func unread(needs, written uint32, behind []string) *storev1.Result {
	who := "every member"
	if len(behind) > 0 {
		who = strings.Join(behind, ", ")
	}
	return refused(codeFailedPrecondition, ReasonSchema, "this needs schema %d, the cluster writes %d since not every member reads more; upgrade %s", needs, written, who)
}

// knows says whether the command at hand was written for readers of a schema:
// what a later one brought must not show in the state before.
func (d *draft) knows(schema uint32) bool { return d.env.GetSchema() >= schema }

// raiseSchema lets leaders write what every member reads by now.
func (d *draft) raiseSchema() {
	reads := uint32(Schema)
	for _, m := range d.members.list(memberKey) {
		reads = min(reads, m.GetMaxSchema())
	}
	if reads <= d.cluster.GetSchema() {
		return
	}
	c := proto.CloneOf(d.cluster)
	c.Schema = reads
	d.cluster = c
	d.emit(&v1.Event{Kind: EventClusterSchema, Message: fmt.Sprintf("every member reads schema %d, which is written from now on", reads)})
}
