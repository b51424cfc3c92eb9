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
	v1 "roster/proto/roster/v1"
)

// Parse reads a topology file. It accepts only what it understands fully:
// faults of form are reported first, then those of meaning, all that were found
// at once. Every fault is an *Error, which errors.As finds. `smtp` is returned as
// smtp-inbound and smtp-outbound; ranges of nodes are kept as written; no
// default is filled in (see Effective).
func Parse(fileName string, src []byte) (*v1.Topology, error) {
	_, t, _, err := parse(fileName, src)
	return t, err
}

// ParseFor is Parse for the cluster of that name: a file that is meant for
// another one is refused.
func ParseFor(fileName string, src []byte, clusterName string) (*v1.Topology, error) {
	s, t, at, err := parse(fileName, src)
	if err != nil {
		return nil, err
	}
	if err := join(locate(s, at, checkCluster(t, clusterName))); err != nil {
		return nil, err
	}
	return t, nil
}

func parse(fileName string, src []byte) (source, *v1.Topology, *place, error) {
	s, t, at, err := read(fileName, src)
	if err != nil {
		return s, nil, nil, err
	}
	expandServices(t, at)
	if err := join(locate(s, at, append(validate(t), release(t)...))); err != nil {
		return s, nil, nil, err
	}
	return s, t, at, nil
}

// Validate checks a topology that arrived decoded by the rules of Parse. Its
// faults have a path and no line.
func Validate(t *v1.Topology) error {
	return join(pathsOnly(append(validate(t), release(t)...)))
}

// CheckCluster refuses a topology that names another cluster.
func CheckCluster(t *v1.Topology, clusterName string) error {
	return join(pathsOnly(checkCluster(t, clusterName)))
}
