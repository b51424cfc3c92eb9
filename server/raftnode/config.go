package raftnode

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"roster/fsm"
	v1 "roster/proto/roster/v1"

	"github.com/hashicorp/raft"
)

// Config is what a Node is opened with.
type Config struct {
	// Dir is the data directory, made by Init or PrepareJoin.
	Dir string
	// Identity is what Load read from it.
	Identity Identity
	// Machine is the state machine; nobody else may apply or restore.
	Machine *fsm.Machine
	// Logger gets what this package and raft have to say.
	Logger *slog.Logger

	// Listener is the Raft port. Nil: listen on Bind.
	Listener net.Listener
	// Bind is host:port to listen on. Empty: Identity.RaftAddress.
	Bind string
	// ServerTLS and ClientTLS are for connections that come and go. Both nil:
	// plain, and loopback only.
	ServerTLS, ClientTLS *tls.Config
	// VerifyPeer says whether the peer of a connection is a member of this
	// cluster. It is asked after the handshake, in both directions, and needed
	// with certificates.
	VerifyPeer func(tls.ConnectionState) error
	// ResolvePeer gives the newest Raft address of a member, empty where none
	// is known: then the one in the Raft configuration is used. It is asked on
	// each dial and must not block.
	ResolvePeer func(id string) string

	// Profile and RoundTripMS are the group's timing. Unspecified: as in
	// Identity.
	Profile     v1.TimingProfile
	RoundTripMS uint32
	// Version of this program, for the member's record.
	Version string
	// Now is the clock of proposals. Nil: time.Now.
	Now func() time.Time

	// DiskBound is how long a write to the disk may take before the member
	// takes itself out. Zero: 10 s.
	DiskBound time.Duration
	// StopBound is how long each step of a graceful stop may take. Zero: 3 s.
	StopBound time.Duration
	// SnapshotThreshold is how many entries make a new snapshot worth its
	// while, and how many are kept for followers that lag. Zero: 4096.
	SnapshotThreshold uint64

	// Memory stands in for the network. Nil: TCP.
	Memory *Memory

	// transport stands in for the network, stores for the disk, in tests.
	transport func(raft.ServerID) raft.Transport
	wrapStore func(logStore) logStore
}

const (
	defaultDiskBound = 10 * time.Second
	defaultStopBound = 3 * time.Second
	defaultThreshold = 4096
)

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if memory := c.Memory; memory != nil {
		address := c.Identity.RaftAddress
		c.transport = func(raft.ServerID) raft.Transport { return memory.attach(address) }
	}
	if c.Bind == "" {
		c.Bind = c.Identity.RaftAddress
	}
	if c.Profile == v1.TimingProfile_TIMING_PROFILE_UNSPECIFIED {
		c.Profile, c.RoundTripMS = c.Identity.Profile, c.Identity.RoundTripMS
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.DiskBound == 0 {
		c.DiskBound = defaultDiskBound
	}
	if c.StopBound == 0 {
		c.StopBound = defaultStopBound
	}
	if c.SnapshotThreshold == 0 {
		c.SnapshotThreshold = defaultThreshold
	}
	return c
}

// Validate reports everything that is wrong with a configuration.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Dir == "" {
		fault("no data directory is given")
	}
	if c.Machine == nil {
		fault("no state machine is given")
	}
	if err := c.Identity.Validate(); err != nil {
		faults = append(faults, err)
	}
	if _, err := timingOf(c.Profile, c.RoundTripMS); err != nil {
		faults = append(faults, err)
	}
	if c.DiskBound < 0 || c.StopBound < 0 {
		fault("a bound is negative")
	}
	switch {
	case (c.ServerTLS == nil) != (c.ClientTLS == nil):
		fault("certificates are needed for both directions of the raft port, or for none")
	case c.ServerTLS != nil && c.VerifyPeer == nil:
		fault("with certificates the raft port needs to know who is a member")
	case c.ServerTLS == nil:
		bind := c.Bind
		if c.Listener != nil {
			bind = c.Listener.Addr().String()
		}
		for _, address := range []string{bind, c.Identity.RaftAddress} {
			if !isLoopback(address) {
				fault("raft address %s: %w; give certificates (`roster certs`)", address, ErrNotLoopback)
			}
		}
	}
	return errors.Join(faults...)
}
