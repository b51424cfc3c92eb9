package raftnode

import (
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

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
	}
	return identity, create(dir, identity, func() error { return bootstrap(dir, identity) })
}

// PrepareJoin makes the directory of a member that joins a cluster: it gets its
// configuration and state from the leader, once that has added it.
func PrepareJoin(dir string, identity Identity) error {
	return create(dir, identity, func() error { return nil })
}

// create writes the identity last: a directory with one is complete.
func create(dir string, identity Identity, fill func() error) (err error) {
	if err := identity.Validate(); err != nil {
		return err
	}
	lock, err := claim(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	if err := fill(); err != nil {
		return err
	}
	return identity.write(dir)
}

// bootstrap writes the first entry of the log: the configuration.
func bootstrap(dir string, identity Identity) (err error) {
	log, err := openLog(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	snapshots, err := openSnapshots(dir, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(identity.ID)
	conf.Logger = hclog.NewNullLogger()
	_, transport := raft.NewInmemTransport(raft.ServerAddress(identity.RaftAddress))
	defer func() { err = errors.Join(err, transport.Close()) }()
	err = raft.BootstrapCluster(conf, log, log, snapshots, transport, raft.Configuration{Servers: []raft.Server{{
		Suffrage: raft.Voter,
		ID:       raft.ServerID(identity.ID),
		Address:  raft.ServerAddress(identity.RaftAddress),
	}}})
	if err != nil {
		return fmt.Errorf("write the first configuration: %w", err)
	}
	return nil
}
