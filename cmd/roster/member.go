package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newMember(sh *shell) *cobra.Command {
	return group("member", "Read and change the members",
		`A member is a control-plane server with one vote. A new one joins with
"roster join".`,
		newMemberList(sh), newMemberRemove(sh), newMemberLeave(sh), newMemberTransfer(sh), newMemberSnapshot(sh),
		newMemberRestore(sh), newMemberRecover(sh))
}

func newMemberList(sh *shell) *cobra.Command {
	request := &v1.ListMembersRequest{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the members",
		Args:  arguments(0, 0),
	}
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewClusterServiceClient(link).ListMembers, request)
		if err != nil {
			return err
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Members(w, look, response.GetMembers())
		})
	})
	return cmd
}

// member finds a member by its id or its name.
func (sh *shell) member(ctx context.Context, link *connect.Link, named string) (*v1.Member, error) {
	response, err := call(ctx, sh, v1.NewClusterServiceClient(link).ListMembers, &v1.ListMembersRequest{})
	if err != nil {
		return nil, err
	}
	var found []*v1.Member
	for _, member := range response.GetMembers() {
		if member.GetId() == named {
			return member, nil
		}
		if member.GetName() == named {
			found = append(found, member)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("there is no member %q\n  `roster member list` lists them", named)
	default:
		return nil, fmt.Errorf("%d members are named %q: name one by its id\n  `roster member list` lists them", len(found), named)
	}
}

func called(member *v1.Member) string {
	if member.GetName() == "" {
		return member.GetId()
	}
	return member.GetName() + " (" + member.GetId() + ")"
}

func newMemberRemove(sh *shell) *cobra.Command {
	var write writeFlags
	cmd := &cobra.Command{
		Use:   "remove MEMBER",
		Short: "Take a member out of the cluster",
		Long: `Take a member out of the cluster, by its name or id. It is refused where it would
cost the quorum. A removed member does not come back: join with a new data
folder.`,
		Args:              arguments(1, 1),
		ValidArgsFunction: sh.completeMember,
	}
	write.addYesTo(cmd)
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		member, err := sh.member(ctx, link, args[0])
		if err != nil {
			return err
		}
		if err := write.confirm(ctx, sh, fmt.Sprintf("Remove member %s for good?", called(member)), "--yes removes it without asking"); err != nil {
			return err
		}
		response, err := call(ctx, sh, v1.NewClusterServiceClient(link).RemoveMember, &v1.RemoveMemberRequest{
			RequestId: write.id(link), Id: member.GetId(),
		})
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, "Member %s is removed. Stop it and put its data folder away.", called(member))
	})
	return cmd
}

func newMemberTransfer(sh *shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "transfer [MEMBER]",
		Short:             "Hand leadership to a member, or to the one that is furthest",
		Args:              arguments(0, 1),
		ValidArgsFunction: sh.completeMember,
	}
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		request := &v1.TransferLeadershipRequest{}
		if len(args) == 1 {
			member, err := sh.member(ctx, link, args[0])
			if err != nil {
				return err
			}
			request.Id = member.GetId()
		}
		response, err := call(ctx, sh, v1.NewClusterServiceClient(link).TransferLeadership, request)
		if err != nil {
			return err
		}
		leads := response.GetLeader()
		if member, err := sh.member(ctx, link, leads); err == nil {
			leads = called(member)
		}
		return sh.told(response, "Member %s leads.", leads)
	})
	return cmd
}
