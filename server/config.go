// Package server is a member: its configuration, the wiring of its rooms, and
// leadership as a context. It knows every room below it; none of them knows it.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"roster/client/identity"
	"roster/server/raftnode"
	"roster/server/rebalance"
	"roster/server/session"
)

// Config is a member's configuration.
type Config struct {
	// Dir is the data folder, made by `roster init` or `roster join`. Required.
	Dir string
	// TLS names the member's certificate files. Empty: plain, loopback only.
	TLS identity.Files
	// RaftListen and Listen are the addresses to listen on, host:port. Empty:
	// those that the data folder names.
	RaftListen string
	Listen     string
	// HTTPListen is the address of the HTTP port, host:port. Empty: there is none.
	HTTPListen string
	// Heartbeat is how often agents report. Default 2 s.
	Heartbeat time.Duration
	// Handshakes is how many sessions of agents may begin a second. Default 500;
	// under 0: no bound.
	Handshakes int
	// Timings win over the topology's policy; for roster dev.
	Timings rebalance.Timings
	// Quiet, if not 0, is how long no node must have registered before the first
	// placement; for roster dev.
	Quiet time.Duration
	// Version is told to other members.
	Version string
	Logger  *slog.Logger

	// memory stands in for the network, in tests.
	memory *memory
}

// memory is a network within one process, as one member sees it.
type memory struct {
	raft   *raftnode.Memory
	listen func(address string) (net.Listener, error)
	dial   func(ctx context.Context, address string) (net.Conn, error)
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("data folder is missing: name the one that `roster init` or `roster join` made (--data DIR)"))
	}
	set := 0
	for _, f := range []string{c.TLS.CA, c.TLS.Cert, c.TLS.Key} {
		if f != "" {
			set++
		}
	}
	if set != 0 && set != 3 {
		faults = append(faults, errors.New("certificates are incomplete: name all of --ca, --cert and --key, or none on loopback"))
	}
	if c.Heartbeat < 0 || c.Timings.DownAfter < 0 || c.Timings.ReplaceAfter < 0 || c.Timings.ReturnAfter < 0 {
		faults = append(faults, errors.New("heartbeat, down_after, replace_after and return_after must not be negative"))
	}
	heartbeat := c.Heartbeat
	if heartbeat == 0 {
		heartbeat = session.DefaultHeartbeat
	}
	if c.Timings.DownAfter != 0 && c.Timings.DownAfter < 3*heartbeat {
		faults = append(faults, fmt.Errorf("down_after is %s: at least three heartbeats of %s", c.Timings.DownAfter, heartbeat))
	}
	return errors.Join(faults...)
}

func (c Config) secure() bool { return c.TLS.CA != "" }
