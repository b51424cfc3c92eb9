package rollout

import v1 "roster/proto/roster/v1"

// Restarts lists the other services of a node's set that a command for one
// service restarts, in the order of the set. They stop being ready, and are
// ready again when their probes pass.
//
// Only a service of a restart group takes others with it: when it is begun,
// when it is removed, and when a drain is called off so late that it has to be
// begun anew. A drain alone restarts nothing, and neither does a START of a
// service that is wanted serving already: that changes its pool only.
func Restarts(n *v1.Node, service string, action v1.Action) []string {
	group := restartGroup(n, service)
	if group == "" {
		return nil
	}
	a := assignment(n, service)
	switch action {
	case v1.Action_ACTION_START:
		if a.GetWanted() == v1.Wanted_WANTED_SERVING || a != nil && runs(n, service) {
			return nil
		}
	case v1.Action_ACTION_STOP:
		if a == nil {
			return nil
		}
	case v1.Action_ACTION_UNDRAIN:
		if a == nil || runs(n, service) {
			return nil
		}
	default:
		return nil
	}
	var mates []string
	for _, other := range n.GetAssignments() {
		if other.GetService() != service && restartGroup(n, other.GetService()) == group {
			mates = append(mates, other.GetService())
		}
	}
	return mates
}

// runs: the agent reported something that a drain can be called off for.
func runs(n *v1.Node, service string) bool {
	switch report(n, service).GetState() {
	case v1.ServiceState_SERVICE_STATE_SERVING, v1.ServiceState_SERVICE_STATE_DRAINING, v1.ServiceState_SERVICE_STATE_DRAINED:
		return true
	}
	return false
}

// restartGroup returns the group that is restarted together with a service on a
// node; empty: it changes live, or alone.
func restartGroup(n *v1.Node, service string) string {
	for _, claim := range n.GetClaims().GetServices() {
		if claim.GetName() == service && claim.GetChangeMode() == v1.ChangeMode_CHANGE_MODE_RESTART {
			return claim.GetRestartGroup()
		}
	}
	return ""
}

// Losses lists the services that are ready on a node and no longer are once a
// command is done: what it ends itself, and what it restarts. A leader that
// proposes it relies on every other node that is ready for one of these.
func Losses(n *v1.Node, service string, action v1.Action) []string {
	var lost []string
	if (action == v1.Action_ACTION_DRAIN || action == v1.Action_ACTION_STOP) && Ready(n, service) {
		lost = append(lost, service)
	}
	for _, mate := range Restarts(n, service, action) {
		if Ready(n, mate) {
			lost = append(lost, mate)
		}
	}
	return lost
}
