package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
	"roster/server/raftnode"
)

func newJoin(sh *shell) *cobra.Command {
	var place placeFlags
	var replace string
	cmd := &cobra.Command{
		Use:   "join --member ADDRESS",
		Short: "Make a member that joins a cluster",
		Long: `Make the data folder of a further member and tell the cluster of it. It gets a
vote when it was started and has caught up. It starts nothing.

With --replace it joins in the place of another member, dead or alive: once the
new one has its vote, the old one is removed, but not where that would cost the
quorum. Its name and addresses must be its own.

It may be run again where it broke off, with the same data folder: the member
keeps its id and joins once.`,
		Example: `  roster join --member m1.example.net:7401 --data /var/lib/roster/member --name m2 \
    --address m2.example.net:7401 --raft-address m2.example.net:7400 \
    --ca ca.pem --cert member-m2.pem --key member-m2-key.pem`,
		Args: arguments(0, 0),
	}
	place.addTo(cmd)
	cmd.Flags().StringVar(&replace, "replace", "", "`name` or id of the member that goes once the new one has a vote")
	must(cmd.RegisterFlagCompletionFunc("replace", sh.completeMember))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := place.validate(); err != nil {
			return err
		}
		joined, err := join(cmd.Context(), sh, place, replace)
		if err != nil {
			return fmt.Errorf("join: %w", err)
		}
		sh.say("Member %s (%s) joins cluster %s (%s).\n", joined.Name, joined.ID, joined.ClusterName, joined.ClusterID)
		if joined.Replaces != "" {
			sh.say("It replaces member %s, which is removed once this one has a vote.", joined.Replaces)
		}
		sh.say("Start it:  roster server --data %s%s", place.dir, serverFlags(sh.connect.Files, joined.Name))
		return nil
	}
	return cmd
}

// join goes in an order that may break off anywhere and be run again: the
// member's id is on disk before the cluster hears it, and the cluster has the
// member before the data folder is complete. So no id is ever used for two
// folders, and none is left behind in the cluster.
func join(ctx context.Context, sh *shell, place placeFlags, replace string) (raftnode.Identity, error) {
	identity, err := raftnode.Load(place.dir)
	switch {
	case err == nil:
		if err := errors.Join(sameMember(identity, place), sameReplaced(identity, replace)); err != nil {
			return identity, err
		}
		// Complete already; the cluster may not know it any more, or not yet.
		sh.connect.ClusterID = identity.ClusterID
		if err := sameEpoch(ctx, sh, identity, place.dir); err != nil {
			return identity, err
		}
		_, err := announce(ctx, sh, identity)
		return identity, err
	case !errors.Is(err, raftnode.ErrNoMember):
		return identity, err
	}
	if err := ownCertificate(sh.connect.Files, place.name); err != nil {
		return identity, err
	}
	replaces, err := replaced(ctx, sh, place, replace)
	if err != nil {
		return identity, err
	}
	id, err := keptID(place.dir)
	if err != nil {
		return identity, err
	}
	identity = raftnode.Identity{ID: id, Name: place.name, RaftAddress: place.raftAddress, Address: place.address, Replaces: replaces}
	cluster, err := announce(ctx, sh, identity)
	if err != nil {
		return identity, err
	}
	identity.ClusterID, identity.ClusterName = cluster.GetId(), cluster.GetName()
	identity.Epoch = cluster.GetEpoch()
	identity.Certificates = !sh.connect.Files.IsZero()
	identity.Profile, identity.RoundTripMS = cluster.GetProfile(), cluster.GetRoundTripMs()
	if err := raftnode.PrepareJoin(place.dir, identity); err != nil {
		return identity, err
	}
	// It has served its purpose; if it stays, nothing reads it again.
	_ = os.Remove(filepath.Join(place.dir, keptIDFile))
	return identity, nil
}

// announce tells the cluster of the member; telling it twice is as good as once.
func announce(ctx context.Context, sh *shell, identity raftnode.Identity) (*v1.Cluster, error) {
	link, err := sh.connect.Open()
	if err != nil {
		return nil, err
	}
	defer link.Close()
	response, err := call(ctx, sh, v1.NewClusterServiceClient(link).JoinMember, &v1.JoinMemberRequest{
		RequestId: link.RequestID(),
		Member: &v1.Member{
			Id: identity.ID, Name: identity.Name, RaftAddress: identity.RaftAddress, Address: identity.Address,
			MaxSchema: fsm.Schema, Version: buildVersion(),
		},
	})
	if err == nil && (response.GetCluster().GetId() == "" || response.GetCluster().GetName() == "") {
		err = errors.New("the answer does not say which cluster it is")
	}
	return response.GetCluster(), err
}

// sameMember says whether a data folder is that of the member that is to join.
func sameMember(identity raftnode.Identity, place placeFlags) error {
	if identity.Name == place.name && identity.Address == place.address && identity.RaftAddress == place.raftAddress {
		return nil
	}
	return fmt.Errorf("%s: %w: it holds member %s of cluster %s at %s (raft %s)\n  name another folder with --data, or run it with these values",
		place.dir, raftnode.ErrUsed, identity.Name, identity.ClusterName, identity.Address, identity.RaftAddress)
}

// sameEpoch refuses a data folder of a history that is over, before the cluster
// takes its member in: the others would not speak to it.
func sameEpoch(ctx context.Context, sh *shell, identity raftnode.Identity, dir string) error {
	link, err := sh.connect.Open()
	if err != nil {
		return err
	}
	defer link.Close()
	response, err := call(ctx, sh, v1.NewClusterServiceClient(link).GetStatus, &v1.GetStatusRequest{})
	if err != nil {
		return err
	}
	now := response.GetStatus().GetEpoch()
	if identity.Epoch == 0 || now == 0 || identity.Epoch == now {
		return nil
	}
	return fmt.Errorf("%w: %s was made in epoch %d of cluster %s, which was recovered or restored since and is in epoch %d\n  delete %s and run this again",
		raftnode.ErrSuperseded, dir, identity.Epoch, identity.ClusterName, now, dir)
}

// keptIDFile has the id of a member that has begun to join.
const keptIDFile = "joining"

// keptID is the id in the folder, or a new one that is on disk before it is
// returned.
func keptID(dir string) (string, error) {
	path := filepath.Join(dir, keptIDFile)
	content, err := os.ReadFile(path)
	switch id := strings.TrimSpace(string(content)); {
	case err == nil && id != "":
		return id, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read the id of the member: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	id := raftnode.NewMemberID()
	if err := renameio.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the id of the member: %w", err)
	}
	return id, nil
}
