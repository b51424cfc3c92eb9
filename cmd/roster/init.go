package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"roster/client/identity"
	"roster/cmd/internal/connect"
	"roster/server/raftnode"
)

// placeFlags say where a new member lives.
type placeFlags struct {
	dir, name, raftAddress, address string
}

func (p *placeFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.dir, "data", "", "`folder` for the member's data; made where it does not exist")
	cmd.Flags().StringVar(&p.name, "name", "", "the member's `name`, for people and in its certificate")
	cmd.Flags().StringVar(&p.address, "address", connect.DefaultMember, "where agents and clients reach it, `host:port`")
	cmd.Flags().StringVar(&p.raftAddress, "raft-address", "127.0.0.1:7400", "where other members reach it, `host:port`")
	must(cmd.MarkFlagDirname("data"))
}

// certFlags are the flags that name the certificate; none where there is none.
func certFlags(files identity.Files) string {
	if files.IsZero() {
		return ""
	}
	return fmt.Sprintf(" --ca %s --cert %s --key %s", files.CA, files.Cert, files.Key)
}

// validate reports every fault at once.
func (p *placeFlags) validate() error {
	var faults []error
	if p.dir == "" {
		faults = append(faults, errors.New("the data folder is missing: name it with --data"))
	}
	if p.name == "" {
		faults = append(faults, errors.New("the member has no name: give it one with --name"))
	} else {
		faults = append(faults, identity.ValidateName(p.name))
	}
	if p.address == p.raftAddress {
		faults = append(faults, fmt.Errorf("--address and --raft-address are both %s: they are two ports", p.address))
	}
	return errors.Join(faults...)
}

func newInit(sh *shell) *cobra.Command {
	var place placeFlags
	var cluster, profile string
	var roundTrip uint32
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a new cluster of one member, once",
		Long: `Make a new cluster: the data folder of its first member, with random ids. It is
done once per cluster; further members join. It starts nothing.

The timing profile is the whole group's: lan for members in one region, wan for
others (ten times --round-trip), relaxed for machines short of processors.`,
		Example: `  roster init --data /var/lib/roster/member --cluster example-mail --name m1 \
    --address m1.example.net:7401 --raft-address m1.example.net:7400`,
		Args: arguments(0, 0),
	}
	place.addTo(cmd)
	cmd.Flags().StringVar(&cluster, "cluster", "", "the cluster's `name`")
	cmd.Flags().StringVar(&profile, "profile", "lan", "timing `profile`: lan, wan, relaxed")
	cmd.Flags().Uint32Var(&roundTrip, "round-trip", 0, "worst round trip between members in `milliseconds`; wan only")
	must(cmd.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions([]string{"lan", "wan", "relaxed"}, cobra.ShellCompDirectiveNoFileComp)))

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		timing, err := raftnode.ParseProfile(profile)
		named := identity.ValidateCluster(cluster)
		if cluster == "" {
			named = errors.New("the cluster has no name: give it one with --cluster")
		}
		if profile != "wan" && cmd.Flags().Changed("round-trip") {
			err = errors.Join(err, errors.New("--round-trip is for --profile wan alone"))
		}
		if err := errors.Join(named, place.validate(), sh.connect.Validate(), err); err != nil {
			return err
		}
		made, err := raftnode.Init(place.dir, raftnode.InitOptions{
			ClusterName: cluster, MemberName: place.name, RaftAddress: place.raftAddress, Address: place.address,
			Profile: timing, RoundTripMS: roundTrip,
		})
		if err != nil {
			return fmt.Errorf("init: %w", err)
		}
		sh.say("Cluster %s (%s) has its first member, %s (%s).\n", made.ClusterName, made.ClusterID, made.Name, made.ID)
		given := serverFlags(sh.connect.Files, made.Name)
		sh.say("Start it:            roster server --data %s%s", place.dir, given)
		if given == "" {
			sh.say("  with certificates: roster server --data %s --ca ca.pem --cert member-%s.pem --key member-%[2]s-key.pem", place.dir, made.Name)
		} else {
			given = " --ca " + sh.connect.Files.CA + " --cert member-NAME.pem --key member-NAME-key.pem"
		}
		sh.say("Let others join it:  roster join --member %s --data DIR --name NAME --address HOST:PORT --raft-address HOST:PORT%s", made.Address, given)
		return nil
	}
	return cmd
}
