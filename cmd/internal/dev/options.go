// Package dev owns `roster dev`: a whole cluster in one process, members on
// real ports and disks, agents with small servers that greet in their
// protocols. It is for trying and for tests; it must not be imported by what
// runs in production, and it reaches the cluster as any client does.
//
// A Cluster's methods may be called from any goroutine.
package dev

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"time"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
	"roster/server/rebalance"
)

// Options is what `roster dev` is asked for.
type Options struct {
	// Members of the control plane. Default 3.
	Members int
	// Nodes with their regions and zones. Default: ten, in three regions.
	Nodes []*v1.Node
	// RestartGroups puts every service of a node into one restart group.
	RestartGroups bool
	// StartDelay is how long a small server takes until it answers, as a real
	// daemon does. 0: it answers at once.
	StartDelay time.Duration
	// Version is what members and agents say that they are.
	Version string
	// Dir holds the members' and agents' data.
	Dir    string
	Logger *slog.Logger
}

// Dev's timings win over the topology's, so that a failure can be watched.
const (
	Heartbeat = 500 * time.Millisecond
	// Dev applies a topology once every node is there.
	Quiet = 100 * time.Millisecond
)

// Timings are those of a policy that dev does not take from the file.
var Timings = rebalance.Timings{DownAfter: 2 * time.Second, ReplaceAfter: 15 * time.Second, ReturnAfter: 5 * time.Second}

// Limits of what one process can hold and one screen can show.
const (
	maxMembers = 7
	maxNodes   = 200
)

// Validate reports every fault at once.
func (o Options) Validate() error {
	var faults []error
	if o.Members < 1 || o.Members > maxMembers {
		faults = append(faults, fmt.Errorf("--members is %d: 1 to %d, and 3 or 5 to survive losses", o.Members, maxMembers))
	}
	if len(o.Nodes) < 1 || len(o.Nodes) > maxNodes {
		faults = append(faults, fmt.Errorf("--nodes asks for %d nodes: 1 to %d", len(o.Nodes), maxNodes))
	}
	if o.StartDelay < 0 {
		faults = append(faults, fmt.Errorf("--start-delay is %s: it must not be negative", o.StartDelay))
	}
	return errors.Join(faults...)
}

// NodesFrom reads the value of --nodes: nothing (the ten examples), a number
// (that many, laid over the same regions and zones), or a file.
func NodesFrom(value string) ([]*v1.Node, error) {
	if value == "" {
		return topology.ParseNodes("example nodes", topology.ExampleNodes())
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		source, err := os.ReadFile(value)
		if err != nil {
			return nil, fmt.Errorf("--nodes %s is neither a number nor a file that can be read: %w", value, err)
		}
		return topology.ParseNodes(value, source)
	}
	if n < 1 || n > maxNodes {
		return nil, fmt.Errorf("--nodes is %d: 1 to %d", n, maxNodes)
	}
	nodes := make([]*v1.Node, 0, n)
	for _, like := range topology.LayNodes(n) {
		nodes = append(nodes, &v1.Node{
			Id:     like.GetId(),
			Claims: &v1.NodeClaims{Region: like.GetClaims().GetRegion(), Zone: like.GetClaims().GetZone(), Labels: maps.Clone(like.GetClaims().GetLabels())},
		})
	}
	return nodes, nil
}
