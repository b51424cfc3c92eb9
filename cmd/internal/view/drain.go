package view

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// Left is what is still on a node that is drained, a sentence each: what it
// waits for, or what keeps it. A nil status leaves floors and freezes out.
func Left(node *v1.Node, s *v1.Status) (left []string) {
	if node.GetState() == v1.NodeState_NODE_STATE_DOWN {
		left = append(left, node.GetId()+" is down: what it does about its set is not known")
	}
	for _, a := range node.GetAssignments() {
		if a.GetWanted() == v1.Wanted_WANTED_DRAINING {
			left = append(left, a.GetService()+" drains"+draining(a, report(node, a.GetService())))
		} else {
			left = append(left, a.GetService()+" still serves: "+keeps(node, a.GetService(), s))
		}
	}
	for _, r := range node.GetReports() {
		if !isAssigned(node, r.GetService()) && Runs(r) {
			left = append(left, r.GetService()+" ends: it is "+word.Of(r.GetState()))
		}
	}
	return left
}

// Runs says whether a service that is not assigned is still there.
func Runs(r *v1.ServiceReport) bool {
	switch r.GetState() {
	case v1.ServiceState_SERVICE_STATE_STARTING, v1.ServiceState_SERVICE_STATE_SERVING,
		v1.ServiceState_SERVICE_STATE_DRAINING, v1.ServiceState_SERVICE_STATE_DRAINED:
		return true
	default:
		return false
	}
}

func draining(a *v1.Assignment, r *v1.ServiceReport) string {
	var text string
	if n := r.GetSessions(); n > 0 {
		text = ": " + word.Count(n, "session")
	}
	if a.GetDrain() != nil && a.GetSince() != nil {
		text += ", until " + word.Clock(timestamppb.New(a.GetSince().AsTime().Add(a.GetDrain().AsDuration()))) + " at the latest"
	}
	return text
}

// keeps is why a service is not drained yet, the strongest reason first.
func keeps(node *v1.Node, service string, s *v1.Status) string {
	if node.GetFrozen() != "" {
		return "its host keeps the agent from acting (" + node.GetFrozen() + ")"
	}
	if node.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE {
		return "its agent observes and touches nothing"
	}
	for _, f := range s.GetFreezes() {
		if covers(f.GetScope(), node, service) {
			return fmt.Sprintf("%s is frozen until %s by %s", f.GetScope(), word.Time(f.GetExpires()), word.By(f.GetBy(), f.GetReason()))
		}
	}
	for _, claim := range node.GetClaims().GetServices() {
		if claim.GetName() == service && claim.GetNeverStop() {
			return "its host's configuration says that it is never stopped"
		}
	}
	row := s.GetServices()[service]
	if row != nil && slices.Contains(row.GetNodes(), node.GetId()) && row.GetReady() <= row.GetFloorInForce() {
		return fmt.Sprintf("%s ready, and its floor is %d: another node must be ready first", word.Count(row.GetReady(), "node"), row.GetFloorInForce())
	}
	return "it waits for its turn, or for its replacement"
}

// covers says whether a freeze's scope has this service of this node in it.
func covers(scope string, node *v1.Node, service string) bool {
	kind, name, _ := strings.Cut(scope, ":")
	switch kind {
	case "all":
		return true
	case "node":
		return name == node.GetId()
	case "service":
		return name == service
	case "region":
		return name == node.GetRegion()
	case "zone":
		return name == node.GetZone()
	case "pool":
		return slices.ContainsFunc(node.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == service && a.GetPool() == name })
	default:
		return false
	}
}

func report(node *v1.Node, service string) *v1.ServiceReport {
	for _, r := range node.GetReports() {
		if r.GetService() == service {
			return r
		}
	}
	return nil
}

func isAssigned(node *v1.Node, service string) bool {
	return slices.ContainsFunc(node.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == service })
}
