package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "roster/proto/roster/v1"
	"roster/server/raftnode"
)

func newMemberRecover(sh *shell) *cobra.Command {
	var dir string
	var write writeFlags
	cmd := &cobra.Command{
		Use:   "recover --data DIR",
		Short: "Let a stopped member go on alone, after the quorum was lost for good",
		Long: `Let one member go on alone where so many others are lost for good that those left
cannot agree any more. It works on the folder of a stopped member, without any
other. The others are forgotten, and the cluster's epoch is raised: they are refused
where they come back, until their data folder was deleted and they joined again.

Never while a majority may come back: start those instead. Where more than one
member is left, recover the one with the highest term, and among those the one with
the highest index; without --yes it says what a member has, and asks.`,
		Example: "  roster member recover --data /var/lib/roster/member",
		Args:    arguments(0, 0),
	}
	cmd.Flags().StringVar(&dir, "data", "", "the member's data `folder`")
	must(cmd.MarkFlagDirname("data"))
	write.addYesTo(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if dir == "" {
			return errors.New("the data folder is missing: name it with --data")
		}
		recovery, err := raftnode.OpenRecovery(dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, recovery.Close()) }()
		survivor := recovery.Survivor()
		sh.survivor(survivor)
		question := fmt.Sprintf("Does member %s go on alone, and are the others lost for good?", survivor.Name)
		if err := write.confirm(cmd.Context(), sh, question, "--yes recovers it without asking"); err != nil {
			return err
		}
		recovered, err := recovery.Recover(time.Now())
		if err != nil {
			return err
		}
		sh.say("\nMember %s is the only one of cluster %s now, in epoch %d.\n", recovered.Name, recovered.ClusterName, recovered.Epoch)
		sh.goOn(dir, recovered)
		return nil
	}
	return cmd
}

// survivor tells what a member has, and what a recovery would lose.
func (sh *shell) survivor(s raftnode.Survivor) {
	sh.say("Member %s (%s) of cluster %s has:", s.Name, s.ID, s.ClusterName)
	sh.say("  last entry  index %d of term %d, %s", s.LastIndex, s.LastTerm, moment(s.Time))
	if open := s.LastIndex - s.Committed; open == 0 {
		sh.say("  committed   all of it")
	} else {
		sh.say("  committed   up to index %d for certain; of the %d after it some may never have been acknowledged: they count as done from now on", s.Committed, open)
	}
	sh.say("  lost        whatever others acknowledged after index %d", s.LastIndex)
	if !s.Voter {
		sh.say("  vote        none yet: it may be far behind; recover one that had a vote where there is one")
	}
	sh.say("  nodes       %d", s.Nodes)
	sh.say("  epoch       %d, will be raised", s.Before)
	sh.say("  forgotten   %s", listed(s.Others))
}

// goOn says what comes after a member was made that is alone.
func (sh *shell) goOn(dir string, identity raftnode.Identity) {
	given := serverFlags(sh.connect.Files, identity.Name)
	if given == "" && identity.Certificates {
		given = fmt.Sprintf(" --ca ca.pem --cert member-%s.pem --key member-%[1]s-key.pem", identity.Name)
	}
	sh.say("Start it:       roster server --data %s%s", dir, given)
	sh.say("Every other:    stop it and delete its data folder, before it is started again; then")
	sh.say("                roster join --member %s --data DIR --name NAME --address HOST:PORT --raft-address HOST:PORT", identity.Address)
	sh.say("Agents follow by themselves where they know this member's address, %s.", identity.Address)
}

// listed are members in a line.
func listed(members []*v1.Member) string {
	var names []string
	for _, m := range members {
		names = append(names, fmt.Sprintf("%s at %s", called(m), m.GetAddress()))
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// moment is a time in a sentence.
func moment(t time.Time) string {
	if t.IsZero() {
		return "no time known"
	}
	return t.UTC().Format(time.RFC3339)
}
