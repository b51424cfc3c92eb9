// Package topology owns the operator's file: how a topology is read, checked,
// completed, written and compared, and the examples that ship with Roster.
//
// It is pure: bytes and messages in, messages and errors out. It must not know
// nodes that exist, what runs, or what the cluster's state is; it imports no
// clock, randomness, IO, log, raft or gRPC. It keeps no state, so every function
// may be called from any goroutine. Messages that are passed in are never
// changed; messages that are returned belong to the caller.
package topology

import (
	"errors"

	v1 "roster/proto/roster/v1"
)

// Parse reads a topology file. It accepts only what it understands fully: the
// first fault of form ends it, faults of meaning are reported together. Every
// fault is an *Error, which errors.As finds. `smtp` is returned as
// smtp-inbound and smtp-outbound; ranges of nodes are kept as written; no
// default is filled in (see Effective).
func Parse(fileName string, src []byte) (*v1.Topology, error) {
	return nil, errors.New("not written yet")
}

// Validate checks a topology that arrived decoded by the rules of Parse. Its
// faults have a path and no line.
func Validate(t *v1.Topology) error { return nil }

// CheckCluster refuses a topology that names another cluster.
func CheckCluster(t *v1.Topology, clusterName string) error { return nil }

// Format writes a topology as a file; Parse reads it back to an equal message.
func Format(t *v1.Topology) []byte { return nil }

// Diff lists what differs, in the order of the newer file; nil is a topology
// that does not exist.
func Diff(before, after *v1.Topology) []*v1.TopologyChange { return nil }

// ParseNodes reads a list of nodes, as in examples/nodes.yaml.
func ParseNodes(fileName string, src []byte) ([]*v1.Node, error) {
	return nil, errors.New("not written yet")
}

// ExpandIDs lists the ids that a pattern such as node-[1-4] names.
func ExpandIDs(pattern string) ([]string, error) { return nil, errors.New("not written yet") }
