package rollout

import (
	"testing"

	v1 "roster/proto/roster/v1"
)

func TestADecisionIsVoidOnceNothingOfItIsWanted(t *testing.T) {
	c := pairOf(t)
	loan := &v1.Move{Node: "node-3", Service: "imap", Pool: "mail", Action: v1.Action_ACTION_START, Borrowed: true}
	other := &v1.Move{Node: "node-1", Service: "imap", Pool: "mail", Action: v1.Action_ACTION_DRAIN}
	a := &v1.Approval{Id: "p", Moves: []*v1.Move{other, loan}}
	lent := targetOf("mail: node-1 node-2")
	lent.Loans = []*v1.Loan{{Pool: "mail", Service: "imap", Node: "node-3"}}
	if c.viewOf(lent).Void(a) {
		t.Error("its loan is wanted, and it is void")
	}
	whole := targetOf("mail: node-1 node-2")
	if !c.viewOf(whole).Void(a) {
		t.Error("nothing of it is wanted, and it is not void")
	}
	if c.viewOf(targetOf("mail: node-2")).Void(a) {
		t.Error("its drain is wanted, and it is void")
	}
	c.node("node-3").State = v1.NodeState_NODE_STATE_SUSPECT
	if c.viewOf(whole).Void(a) {
		t.Error("a moment's silence of its node made it void")
	}
}
