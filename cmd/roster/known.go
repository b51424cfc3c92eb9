package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"roster/cmd/internal/connect"
	"roster/fsm"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// An empty answer to a misspelt word looks like good news, so the words that
// people type are looked up where nothing was found.

// knownService refuses a service that neither the topology, nor a node, nor
// Roster itself knows. What cannot be read refuses nothing.
func (sh *shell) knownService(ctx context.Context, link *connect.Link, service string) error {
	known := topology.KnownServices()
	if slices.Contains(known, service) {
		return nil
	}
	force, err := call(ctx, sh, v1.NewTopologyServiceClient(link).GetTopology, &v1.GetTopologyRequest{Stale: true})
	if err == nil {
		for _, s := range force.GetEffective().GetServices() {
			known = append(known, s.GetName())
		}
	}
	nodes, err := call(ctx, sh, v1.NewNodeServiceClient(link).ListNodes, &v1.ListNodesRequest{Stale: true})
	if err != nil {
		return nil
	}
	for _, node := range nodes.GetNodes() {
		for _, claim := range node.GetClaims().GetServices() {
			known = append(known, claim.GetName())
		}
	}
	if slices.Contains(known, service) {
		return nil
	}
	slices.Sort(known)
	return fmt.Errorf("no topology and no node knows a service %q\n  known are %s", service, strings.Join(slices.Compact(known), ", "))
}

// knownKind refuses what no kind of event begins with.
func knownKind(begin string) error {
	kinds := fsm.EventKinds()
	if slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasPrefix(kind, begin) }) {
		return nil
	}
	var groups []string
	for _, kind := range kinds {
		group, _, _ := strings.Cut(kind, ".")
		groups = append(groups, group+".")
	}
	slices.Sort(groups)
	return fmt.Errorf("no event kind begins with %q\n  they begin with %s", begin, strings.Join(slices.Compact(groups), ", "))
}
