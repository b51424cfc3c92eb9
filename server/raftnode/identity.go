package raftnode

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/google/uuid"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

// Identity is who a member is. It is written once, by Init, PrepareJoin or
// Restore, and kept in member.json; RememberCertificates and Recovery change it.
type Identity struct {
	// ID is random and never changes.
	ID string
	// Name is for people.
	Name string
	// ClusterID is random, made by Init, the same on all members.
	ClusterID   string
	ClusterName string
	// RaftAddress is where members reach this one, host:port.
	RaftAddress string
	// Address is where agents and clients reach this member, host:port.
	Address string
	// Profile and RoundTripMS are the group's timing.
	Profile v1.TimingProfile
	// RoundTripMS is the worst round trip between members; wan only.
	RoundTripMS uint32
	// Certificates: the member has run with certificates, and must not run
	// without.
	Certificates bool
	// Epoch is the history of the cluster that the member's data belongs to.
	// Members of different histories do not speak to each other. Zero: made
	// before epochs were kept here; then it is the state's.
	Epoch uint64
	// Replaces is the id of the member that goes once this one has a vote.
	Replaces string
}

// identityFile is how an Identity is written: the profile as a word.
type identityFile struct {
	Format      int    `json:"format"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	ClusterID   string `json:"cluster_id"`
	ClusterName string `json:"cluster_name"`
	RaftAddress string `json:"raft_address"`
	Address     string `json:"address"`
	Profile     string `json:"profile"`
	RoundTripMS uint32 `json:"round_trip_ms,omitempty"`
	// Whoever takes a cluster's certificates away on purpose deletes this.
	Certificates bool   `json:"certificates,omitempty"`
	Epoch        uint64 `json:"epoch,omitempty"`
	Replaces     string `json:"replaces,omitempty"`
}

// identityFormat is the format of member.json that this program writes.
const identityFormat = 1

// NewMemberID makes a random member id.
func NewMemberID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return hex.EncodeToString(b[:])
}

func newClusterID() string { return uuid.NewString() }

// Validate reports everything that is wrong with an identity.
func (i Identity) Validate() error {
	var faults []error
	for _, field := range []struct{ name, value string }{
		{"member id", i.ID}, {"member name", i.Name},
		{"cluster id", i.ClusterID}, {"cluster name", i.ClusterName},
	} {
		if field.value == "" {
			faults = append(faults, fmt.Errorf("%s is empty", field.name))
		}
	}
	faults = append(faults,
		checkAddress("raft address", i.RaftAddress), checkAddress("address", i.Address))
	if _, err := timingOf(i.Profile, i.RoundTripMS); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// checkAddress wants host:port that others can dial.
func checkAddress(what, address string) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return fmt.Errorf("%s %q is not host:port: %w", what, address, err)
	case host == "":
		return fmt.Errorf("%s %q has no host: other members could not reach it", what, address)
	case port == "" || port == "0":
		return fmt.Errorf("%s %q has no port", what, address)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("%s %q is no address that others can reach: name one of this host", what, address)
	}
	return nil
}

// record is the member's record in the state.
func (i Identity) record(version string) *v1.Member {
	return &v1.Member{
		Id: i.ID, Name: i.Name, RaftAddress: i.RaftAddress, Address: i.Address,
		MaxSchema: fsm.Schema, Version: version,
	}
}

// Load reads the identity of the member in a data directory.
func Load(dir string) (Identity, error) {
	path := filepath.Join(dir, identityName)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, fmt.Errorf("%s: %w: run `roster init` for the first member of a cluster, `roster join` for a further one", dir, ErrNoMember)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read member: %w", err)
	}
	var file identityFile
	if err := json.Unmarshal(content, &file); err != nil {
		return Identity{}, damaged(dir, identityName, err)
	}
	if file.Format != identityFormat {
		return Identity{}, fmt.Errorf("read %s: format %d is not known to this version of roster: use a newer one", path, file.Format)
	}
	profile, err := ParseProfile(file.Profile)
	if err != nil {
		return Identity{}, fmt.Errorf("read %s: %w", path, err)
	}
	identity := Identity{
		ID: file.ID, Name: file.Name, ClusterID: file.ClusterID, ClusterName: file.ClusterName,
		RaftAddress: file.RaftAddress, Address: file.Address, Profile: profile, RoundTripMS: file.RoundTripMS,
		Certificates: file.Certificates, Epoch: file.Epoch, Replaces: file.Replaces,
	}
	if err := identity.Validate(); err != nil {
		return Identity{}, fmt.Errorf("read %s: %w", path, err)
	}
	return identity, nil
}

// write stores the identity so that it is there whole or not at all.
func (i Identity) write(dir string) error {
	content, err := json.MarshalIndent(identityFile{
		Format: identityFormat, ID: i.ID, Name: i.Name, ClusterID: i.ClusterID, ClusterName: i.ClusterName,
		RaftAddress: i.RaftAddress, Address: i.Address, Profile: ProfileName(i.Profile), RoundTripMS: i.RoundTripMS,
		Certificates: i.Certificates, Epoch: i.Epoch, Replaces: i.Replaces,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode member: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, identityName), append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("write member: %w", err)
	}
	return syncDir(dir)
}
