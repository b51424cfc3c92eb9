package rollout

import v1 "roster/proto/roster/v1"

// Void says whether a decision on a plan came to nothing: the target wants none
// of its moves any more. While one of its nodes is suspect, nobody can tell: that
// may pass.
func (v View) Void(a *v1.Approval) bool {
	wanted, loaned := v.Target.Wanted(v.Topology), v.Target.Loaned()
	nodes := make(map[string]*v1.Node, len(v.Nodes))
	for _, n := range v.Nodes {
		nodes[n.GetId()] = n
	}
	for _, m := range a.GetMoves() {
		n := nodes[m.GetNode()]
		if n == nil {
			continue
		}
		if n.GetState() == v1.NodeState_NODE_STATE_SUSPECT {
			return false
		}
		seat, loan := wanted[m.GetNode()][m.GetService()], loaned[m.GetNode()][m.GetService()]
		have := assignment(n, m.GetService())
		switch m.GetAction() {
		case v1.Action_ACTION_DRAIN, v1.Action_ACTION_STOP:
			if have != nil && seat == "" && loan == "" {
				return false
			}
		case v1.Action_ACTION_RESEAT:
			if have != nil && (have.GetPool() != m.GetPool() || have.GetBorrowed() != m.GetBorrowed()) &&
				(m.GetBorrowed() && seat == "" || !m.GetBorrowed() && seat == m.GetPool()) {
				return false
			}
		default:
			if m.GetBorrowed() && loan == m.GetPool() || !m.GetBorrowed() && (seat == m.GetPool() || loan == m.GetPool()) {
				return false
			}
		}
	}
	return true
}
