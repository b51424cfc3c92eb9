package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	v1 "roster/proto/roster/v1"
)

func newTopologyApply(sh *shell) *cobra.Command {
	var path string
	change := &topologyChange{sh: sh}
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make a file the cluster's topology",
		Long: `Make a file the cluster's topology. It shows the plan and asks. Where the
cluster changes while it asks, it shows the new plan and asks again.

Without a terminal it needs --yes, which applies to the cluster as it is then,
or --plan BASIS, which is refused where anything changed since that plan. A
topology that removes a service or stops more than 20 % of the assignments needs
--allow-stop; one whose floors cannot be kept on the way says so first, and needs
--accept-gap. One that does not keep what its "survives" promises is refused.`,
		Example: "  roster topology apply -f mail.yaml --wait\n  roster topology plan -f mail.yaml -o json | jq -r .plan.basis",
		Args:    arguments(0, 0),
	}
	addFileFlag(cmd, &path, "topology `file`; - reads the input (then --yes or --plan is needed)")
	change.addTo(cmd)

	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		if path == "" {
			return errors.New("the file is missing: name it with -f")
		}
		name, source, err := readSource(sh.in, path)
		if err != nil {
			return err
		}
		topology := v1.NewTopologyServiceClient(link)
		change.plan = &v1.PlanTopologyRequest{Source: source, FileName: name}
		change.apply = func(ctx context.Context, basis string) (uint64, error) {
			response, err := call(ctx, sh, topology.ApplyTopology, &v1.ApplyTopologyRequest{
				RequestId: change.id(link), Source: source, FileName: name,
				ExpectedRevision: change.expected.get(cmd), Basis: basis,
				AllowStop: change.allowStop, AcceptShortage: change.acceptShortage, AcceptGap: change.acceptGap,
			})
			if err != nil {
				return 0, err
			}
			done := fmt.Sprintf("Revision %d is in force.", response.GetRevision())
			if !response.GetChanged() {
				done = fmt.Sprintf("Nothing changed: revision %d says the same.", response.GetRevision())
			}
			return response.GetRevision(), change.done(response, done)
		}
		return change.run(ctx, link)
	})
	return cmd
}
