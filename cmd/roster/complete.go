package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// completionBound keeps a shell from hanging on a cluster that is away.
const completionBound = 2 * time.Second

// completed asks the cluster for the words that an argument may be; a cluster
// that does not answer has none.
func (sh *shell) completed(cmd *cobra.Command, args []string, typed string,
	words func(context.Context, *connect.Link) ([]string, error),
) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if err := sh.connect.FromEnvironment(cmd.Flags()); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	link, err := sh.connect.Open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer link.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completionBound)
	defer cancel()
	all, err := words(ctx, link)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var fit []string
	for _, word := range all {
		if strings.HasPrefix(word, typed) {
			fit = append(fit, word)
		}
	}
	slices.SortFunc(fit, placement.Compare)
	return fit, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func (sh *shell) completeNode(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return sh.completed(cmd, args, typed, func(ctx context.Context, link *connect.Link) (ids []string, err error) {
		response, err := v1.NewNodeServiceClient(link).ListNodes(ctx, &v1.ListNodesRequest{Stale: true})
		for _, node := range response.GetNodes() {
			ids = append(ids, node.GetId())
		}
		return ids, err
	})
}

// completeNodes is for verbs that take several nodes.
func (sh *shell) completeNodes(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	ids, directive := sh.completeNode(cmd, nil, typed)
	return slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(args, id) }), directive
}

func (sh *shell) completeFreeze(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return sh.completed(cmd, args, typed, func(ctx context.Context, link *connect.Link) (ids []string, err error) {
		response, err := v1.NewGuardServiceClient(link).GetGuard(ctx, &v1.GetGuardRequest{Stale: true})
		for _, freeze := range response.GetFreezes() {
			ids = append(ids, freeze.GetId())
		}
		return ids, err
	})
}

func (sh *shell) completePlan(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return sh.completed(cmd, args, typed, func(ctx context.Context, link *connect.Link) (ids []string, err error) {
		response, err := v1.NewPlanServiceClient(link).ListPlans(ctx, &v1.ListPlansRequest{Stale: true})
		for _, plan := range response.GetPlans() {
			ids = append(ids, plan.GetId())
		}
		return ids, err
	})
}

func (sh *shell) completeMember(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return sh.completed(cmd, args, typed, func(ctx context.Context, link *connect.Link) (names []string, err error) {
		response, err := v1.NewClusterServiceClient(link).ListMembers(ctx, &v1.ListMembersRequest{Stale: true})
		for _, member := range response.GetMembers() {
			names = append(names, member.GetName())
		}
		return names, err
	})
}

// completeFail completes losses: what there is in the cluster, behind what is
// typed already with commas.
func (sh *shell) completeFail(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before, last := "", typed
	if i := strings.LastIndexByte(typed, ','); i >= 0 {
		before, last = typed[:i+1], typed[i+1:]
	}
	fit, directive := sh.completed(cmd, nil, last, func(ctx context.Context, link *connect.Link) (words []string, err error) {
		response, err := v1.NewNodeServiceClient(link).ListNodes(ctx, &v1.ListNodesRequest{Stale: true})
		if err != nil {
			return nil, err
		}
		for _, node := range response.GetNodes() {
			words = append(words, node.GetId())
			for kind, name := range map[string]string{"zone:": node.GetZone(), "region:": node.GetRegion()} {
				if name != "" {
					words = append(words, kind+name)
				}
			}
		}
		members, err := v1.NewClusterServiceClient(link).ListMembers(ctx, &v1.ListMembersRequest{Stale: true})
		for _, member := range members.GetMembers() {
			words = append(words, "member:"+member.GetName())
		}
		slices.Sort(words)
		return slices.Compact(words), err
	})
	for i := range fit {
		fit[i] = before + fit[i]
	}
	return fit, directive | cobra.ShellCompDirectiveNoSpace
}
