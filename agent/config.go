package agent

import (
	"context"
	"log/slog"
	"net"
	"time"

	"roster/agent/driver"
	"roster/agent/driver/exec"
	"roster/agent/driver/process"
	"roster/client/identity"
	v1 "roster/proto/roster/v1"
)

// Drivers that services may name.
const (
	DriverBuiltin = "builtin"
	DriverExec    = "exec"
	DriverProcess = "process"
)

// DefaultProbeInterval is the pause between probes of a service that serves.
const DefaultProbeInterval = 10 * time.Second

// Config is what one agent is and what its node may run.
type Config struct {
	// Node is the node's id. Required.
	Node string
	// Dir is the agent's data folder: instance id, cached set, drivers' records.
	// Required; made where absent.
	Dir string
	// Members are API addresses, host:port, of some or all members. Required.
	Members []string
	// TLS names the files of this agent's certificate, with role agent and the
	// node's id as its name. Zero: without TLS, to loopback addresses only.
	TLS identity.Files
	// Claims are the node's region, zone, labels, capacity, mode and services; each
	// service names its driver (builtin, exec or process) and its endpoints, and may
	// say that it is never stopped. Mode unspecified: the agent acts.
	Claims *v1.NodeClaims
	// Process says how each service of the process driver is run, by service.
	Process map[string]process.Command
	// Exec has the operator's scripts for each service of the exec driver, by
	// service.
	Exec map[string]exec.Scripts
	// FreezeFile keeps the agent from acting for as long as it is there. Empty: the
	// file freeze in Dir.
	FreezeFile string
	// ProbeInterval is the pause between probes of a service that serves.
	// Default 10s.
	ProbeInterval time.Duration
	// Heartbeat overrides what members ask for. 0: what they ask for.
	Heartbeat time.Duration
	// Version of the agent, for people.
	Version string
	// Logger, nil: slog.Default.
	Logger *slog.Logger

	// Drivers wins over the drivers that the agent would make itself, by the name
	// that services give. The agent closes them when Run ends.
	Drivers map[string]driver.Driver
	// Probe, nil: probe.Check.
	Probe func(context.Context, *v1.Endpoint) error
	// Dial, nil: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}
