package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
	"roster/fsm/whatif"
	"roster/server/rpc/problem"
)

// electorate is what CheckStop needs to know of the members: a Cluster, or a
// fake.
type electorate interface {
	// voters are the ids of the members with a vote.
	voters() map[string]bool
	// silent are those of some members that do not answer now.
	silent(ctx context.Context, members map[string]bool) []string
}

// CheckStop implements NodeService: floors by what is ready at once, and the
// members' quorum by who answers now.
func (n *Nodes) CheckStop(ctx context.Context, r *v1.CheckStopRequest) (*v1.CheckStopResponse, error) {
	if len(r.GetNodes())+len(r.GetMembers()) == 0 {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "nothing to stop is named: name nodes, or members")
	}
	state, err := read(ctx, n.Gate, n.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	check, err := whatif.CheckStop(state.Nodes(), state.Floors(), r.GetNodes())
	switch {
	case errors.Is(err, whatif.ErrUnknownNode):
		return nil, problem.New(codes.NotFound, problem.NotFound, "%s: `roster node list` shows those that registered", err)
	case err != nil:
		return nil, toStatus(err)
	}
	stopping, err := membersStopping(state, r.GetNodes(), r.GetMembers())
	if err != nil {
		return nil, err
	}
	answer := &v1.CheckStopResponse{Ok: check.OK, Reasons: check.Reasons, Ready: check.Ready, Index: state.Index()}
	for _, m := range stopping {
		answer.Members = append(answer.Members, firstOf(m.GetName(), m.GetId()))
	}
	why, ok := n.quorumWithout(ctx, state, stopping)
	if r.GetStale() && !n.Gate.HasLeader() {
		why, ok = "the members have no leader, and this is what one of them knew last: nobody could mend what the stop costs", false
	}
	answer.Ok = answer.Ok && ok
	switch {
	case check.OK && !ok:
		answer.Reasons = []string{why} // what is well is no reason
	case ok == check.OK && why != "":
		answer.Reasons = append(answer.Reasons, why)
	}
	return answer, nil
}

// quorumWithout says whether the members could still decide without some of
// them: of all votes more than half must answer. The sentence is why not, or
// what is left; empty where no member stops and nothing is the matter.
func (n *Nodes) quorumWithout(ctx context.Context, state *fsm.State, stopping []*v1.Member) (why string, ok bool) {
	voters := n.Members.voters()
	left := map[string]bool{}
	for id := range voters {
		left[id] = true
	}
	var stopped []string
	for _, m := range stopping {
		if left[m.GetId()] {
			delete(left, m.GetId())
			stopped = append(stopped, firstOf(m.GetName(), m.GetId()))
		}
	}
	if len(stopped) == 0 {
		return "", true // it costs no vote
	}
	var silent []string
	for _, id := range n.Members.silent(ctx, left) {
		silent = append(silent, firstOf(state.Member(id).GetName(), id))
	}
	answering := len(left) - len(silent)
	sentence := fmt.Sprintf("without %s, %d of %s with a vote would answer", strings.Join(stopped, ", "), answering, amount(len(voters), "member"))
	if len(silent) > 0 {
		sentence += fmt.Sprintf(" (%s: silent already)", strings.Join(silent, ", "))
	}
	if answering > len(voters)/2 {
		return sentence, true
	}
	return fmt.Sprintf("%s, and %d must: nothing could be changed and no failure mended; nodes would serve on", sentence, len(voters)/2+1), false
}

// membersStopping are the members that are named, by id or name, and those that
// run on the hosts of the nodes.
func membersStopping(state *fsm.State, nodes, named []string) ([]*v1.Member, error) {
	var stopping []*v1.Member
	for _, name := range named {
		i := slices.IndexFunc(state.Members(), func(m *v1.Member) bool { return m.GetId() == name || m.GetName() == name })
		if i < 0 {
			return nil, unknownMember(name)
		}
		stopping = append(stopping, state.Members()[i])
	}
	hosts := map[string]bool{}
	for _, id := range nodes {
		for _, host := range hostsOf(state.Node(id)) {
			hosts[host] = true
		}
	}
	for _, m := range state.Members() {
		for _, address := range []string{m.GetAddress(), m.GetRaftAddress()} {
			if host, _, err := net.SplitHostPort(address); err == nil && hosts[plainHost(host)] {
				stopping = append(stopping, m)
				break
			}
		}
	}
	slices.SortFunc(stopping, func(a, b *v1.Member) int {
		return placement.Compare(firstOf(a.GetName(), a.GetId()), firstOf(b.GetName(), b.GetId()))
	})
	return slices.CompactFunc(stopping, func(a, b *v1.Member) bool { return a.GetId() == b.GetId() }), nil
}

// hostsOf are the hosts that a node's endpoints name.
func hostsOf(n *v1.Node) (hosts []string) {
	for _, claim := range n.GetClaims().GetServices() {
		for _, e := range claim.GetEndpoints() {
			if host := plainHost(e.GetHost()); host != "" {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// plainHost is a host in one spelling. It is empty for one that says nothing
// about which machine is meant: loopback, which every machine has, and addresses
// for all of a machine's own. Names are compared as they are written and never
// looked up: an answer that depends on a resolver is none to stop a host by.
func plainHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil && (host == "localhost" || strings.HasSuffix(host, ".localhost")):
		return ""
	case err != nil:
		return host
	case ip.Unmap().IsLoopback(), ip.Unmap().IsUnspecified():
		return ""
	}
	return ip.Unmap().String()
}
