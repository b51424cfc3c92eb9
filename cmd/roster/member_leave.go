package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	v1 "roster/proto/roster/v1"
)

func newMemberLeave(sh *shell) *cobra.Command {
	var write writeFlags
	cmd := &cobra.Command{
		Use:   "leave [MEMBER]",
		Short: "Let a member leave the cluster in good order",
		Long: `Let a member leave the cluster in good order: it hands leadership over if it has
it, and is then taken out, so that nobody has to elect. Its process ends by
itself. Without a name it is the member at --member. It is refused where it would
cost the quorum.`,
		Example:           "  roster member leave --member 127.0.0.1:7401",
		Args:              arguments(0, 1),
		ValidArgsFunction: sh.completeMember,
	}
	write.addYesTo(cmd)
	write.addTo(cmd)
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, args []string) error {
		var named string
		switch {
		case len(args) == 1:
			named = args[0]
		case len(sh.connect.Members) > 1:
			return errors.New("which member leaves is missing: --member names more than one\n  name it, or give --member once")
		default:
			answer, err := statusOf(sh, link, true)(ctx)
			if err != nil {
				return err
			}
			named = answer.GetAnsweredBy()
		}
		member, err := sh.member(ctx, link, named)
		if err != nil {
			return err
		}
		if err := write.confirm(ctx, sh, fmt.Sprintf("Does member %s leave for good?", called(member)), "--yes lets it leave without asking"); err != nil {
			return err
		}
		cluster := v1.NewClusterServiceClient(link)
		if member.GetLeader() {
			if _, err := call(ctx, sh, cluster.TransferLeadership, &v1.TransferLeadershipRequest{}); err != nil {
				return fmt.Errorf("hand leadership over: %w", err)
			}
		}
		response, err := call(ctx, sh, cluster.RemoveMember, &v1.RemoveMemberRequest{RequestId: write.id(link), Id: member.GetId()})
		if err != nil {
			return write.outcome(err)
		}
		return sh.told(response, "Member %s has left. Its process ends by itself; put its data folder away.", called(member))
	})
	return cmd
}
