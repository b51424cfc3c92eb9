package main

import (
	"errors"

	"github.com/spf13/cobra"

	"roster/server/raftnode"
)

func newMemberRestore(sh *shell) *cobra.Command {
	var place placeFlags
	var from string
	cmd := &cobra.Command{
		Use:   "restore --from FILE",
		Short: "Make a member of its own out of a saved snapshot",
		Long: `Make the data folder of a cluster's one member out of a file that "member snapshot
save" wrote: the same cluster, with its nodes, topologies and events. The members
that it had are forgotten, and its epoch is raised, so that they are refused where
they come back. It starts nothing; further members join as usual.

Nodes serve on. Each agent first tells what it really serves, and nothing of that
is stopped at once, however old the snapshot is.

It is for a cluster whose members are all lost. Where one of them is left, "member
recover" keeps more.`,
		Example: `  roster member restore --data /var/lib/roster/member --from roster.snapshot --name m1 \
    --address m1.example.net:7401 --raft-address m1.example.net:7400`,
		Args: arguments(0, 0),
	}
	place.addTo(cmd)
	cmd.Flags().StringVar(&from, "from", "", "the saved `file`")
	must(cmd.MarkFlagFilename("from"))
	cmd.RunE = func(*cobra.Command, []string) error {
		named := error(nil)
		if from == "" {
			named = errors.New("the snapshot is missing: name its file with --from")
		}
		if err := errors.Join(named, place.validate(), sh.connect.Validate()); err != nil {
			return err
		}
		restored, err := raftnode.Restore(place.dir, from, raftnode.RestoreOptions{
			MemberName: place.name, RaftAddress: place.raftAddress, Address: place.address, Version: buildVersion(),
		})
		if err != nil {
			return err
		}
		sh.say("Cluster %s (%s) is restored with one member, %s (%s).\n", restored.ClusterName, restored.ClusterID, restored.Name, restored.ID)
		sh.say("  state       index %d, %s; what came later is lost", restored.Index, moment(restored.Saved))
		sh.say("  nodes       %d", restored.Nodes)
		sh.say("  epoch       %d, was %d", restored.Epoch, restored.Before)
		sh.say("  forgotten   %s\n", listed(restored.Forgotten))
		sh.goOn(place.dir, restored.Identity)
		return nil
	}
	return cmd
}
