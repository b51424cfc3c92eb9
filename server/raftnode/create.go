package raftnode

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

// InitOptions describe the first member of a new cluster.
type InitOptions struct {
	ClusterName string
	// MemberName is for people.
	MemberName string
	// RaftAddress and Address are where members, and where agents and clients
	// reach it: host:port.
	RaftAddress, Address string
	// Profile unspecified: lan.
	Profile v1.TimingProfile
	// RoundTripMS is the worst round trip between members; wan only.
	RoundTripMS uint32
	// MemberID is made up where it is empty.
	MemberID string
}

// Init makes a cluster of one member in an empty directory: its random ids, and
// a Raft configuration with this member as the one voter. It is done once per
// cluster; further members join.
func Init(dir string, o InitOptions) (Identity, error) {
	if o.Profile == v1.TimingProfile_TIMING_PROFILE_UNSPECIFIED {
		o.Profile = v1.TimingProfile_TIMING_PROFILE_LAN
	}
	if o.MemberID == "" {
		o.MemberID = NewMemberID()
	}
	identity := Identity{
		ID: o.MemberID, Name: o.MemberName, ClusterID: newClusterID(), ClusterName: o.ClusterName,
		RaftAddress: o.RaftAddress, Address: o.Address, Profile: o.Profile, RoundTripMS: o.RoundTripMS,
		Epoch: epochAfter(0, time.Now()),
	}
	if err := errors.Join(identity.Validate(), rehearse(identity)); err != nil {
		return Identity{}, fmt.Errorf("init: %w", err)
	}
	if err := create(dir, identity, bootstrap); err != nil {
		return Identity{}, fmt.Errorf("init: %w", err)
	}
	return identity, nil
}

// rehearse asks a state machine of its own whether it would take the cluster's
// first commands: a name that it refuses is to be refused before the log.
func rehearse(identity Identity) error {
	envelopes := firstCommands(identity, identity.record(""))
	for _, e := range envelopes {
		e.Schema, e.ClusterId, e.Time = fsm.Schema, identity.ClusterID, timestamppb.New(time.Unix(0, 0))
	}
	entry, err := fsm.EncodeEntry(envelopes)
	if err != nil {
		return err
	}
	results, err := fsm.New().Apply(1, entry)
	if err != nil {
		return err
	}
	for _, result := range results {
		if refusal := result.GetRefusal(); refusal != nil {
			return errors.New(refusal.GetMessage())
		}
	}
	return nil
}

// PrepareJoin makes the directory of a member that joins a cluster: it gets its
// configuration and state from the leader, once that has added it.
func PrepareJoin(dir string, identity Identity) error {
	if err := identity.Validate(); err != nil {
		return fmt.Errorf("prepare to join: %w", err)
	}
	if err := create(dir, identity, func(boltStore, raft.SnapshotStore, Identity) error { return nil }); err != nil {
		return fmt.Errorf("prepare to join: %w", err)
	}
	return nil
}

// create makes a member's directory. The log is made here, once: a member that
// finds none later has lost its votes and must not begin anew. The identity is
// written last: a directory with one is complete.
func create(dir string, identity Identity, fill func(boltStore, raft.SnapshotStore, Identity) error) (err error) {
	lock, err := claim(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	log, err := openLog(dir)
	if err != nil {
		return err
	}
	err = func() error {
		snapshots, err := openSnapshots(dir, hclog.NewNullLogger())
		if err != nil {
			return err
		}
		return fill(log, snapshots, identity)
	}()
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	if err := identity.write(dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// bootstrap writes the first entry of the log: the configuration.
func bootstrap(log boltStore, snapshots raft.SnapshotStore, identity Identity) (err error) {
	transport := nowhere(identity)
	defer func() { err = errors.Join(err, transport.Close()) }()
	if err := raft.BootstrapCluster(offline(identity), log, log, snapshots, transport, alone(identity)); err != nil {
		return fmt.Errorf("write the first configuration: %w", err)
	}
	return nil
}

// alone is the configuration of a group of one.
func alone(identity Identity) raft.Configuration {
	return raft.Configuration{Servers: []raft.Server{{
		Suffrage: raft.Voter,
		ID:       raft.ServerID(identity.ID),
		Address:  raft.ServerAddress(identity.RaftAddress),
	}}}
}

// offline is what raft wants to know where it writes files and runs nothing.
func offline(identity Identity) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(identity.ID)
	conf.Logger = hclog.NewNullLogger()
	return conf
}

// nowhere is a transport that reaches nobody; raft writes its address down.
func nowhere(identity Identity) *raft.InmemTransport {
	_, transport := raft.NewInmemTransport(raft.ServerAddress(identity.RaftAddress))
	return transport
}
