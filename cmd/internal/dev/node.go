package dev

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"google.golang.org/protobuf/proto"

	"roster/agent"
	"roster/agent/driver"
	"roster/agent/driver/builtin"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// node is one mail host: an agent with small servers, running or cut off.
type node struct {
	id     string
	dir    string
	claims *v1.NodeClaims

	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

const builtinDriver = "builtin"

// mailServices are what a node of dev can run unless its file says otherwise.
var mailServices = []string{"imap", "jmap", "smtp-inbound", "smtp-outbound", "webdav"}

func (c *Cluster) newNodes(ports *ports) error {
	for _, like := range c.options.Nodes {
		claims := proto.CloneOf(like.GetClaims())
		if claims == nil {
			claims = &v1.NodeClaims{}
		}
		if len(claims.GetServices()) == 0 {
			for _, s := range c.services {
				claims.Services = append(claims.Services, &v1.ServiceClaim{Name: s})
			}
		}
		for _, s := range claims.GetServices() {
			port, err := ports.take()
			if err != nil {
				return err
			}
			s.Driver = builtinDriver
			s.Endpoints = []*v1.Endpoint{{Service: s.GetName(), Node: like.GetId(), Host: "127.0.0.1", Port: uint32(port), Tls: v1.Tls_TLS_NONE, Path: pathOf(s.GetName())}}
			if c.options.RestartGroups {
				s.RestartGroup = "all"
			}
			s.ChangeMode = v1.ChangeMode_CHANGE_MODE_LIVE
			if s.GetRestartGroup() != "" {
				s.ChangeMode = v1.ChangeMode_CHANGE_MODE_RESTART
			}
		}
		c.nodes = append(c.nodes, &node{id: like.GetId(), dir: filepath.Join(c.options.Dir, "agent-"+like.GetId()), claims: claims})
	}
	return nil
}

func pathOf(service string) string {
	switch service {
	case "jmap":
		return "/.well-known/jmap"
	case "webdav":
		return "/dav/"
	default:
		return ""
	}
}

// servicesOf are the services that the nodes need: the usual five, and those
// that the topology names beside them.
func servicesOf(t *v1.Topology) []string {
	services := append([]string(nil), mailServices...)
	for _, s := range topology.Effective(t).GetServices() {
		known := false
		for _, k := range services {
			known = known || k == s.GetName()
		}
		if !known {
			services = append(services, s.GetName())
		}
	}
	return services
}

// startNode runs a node's agent until it is killed or the cluster ends.
func (c *Cluster) startNode(n *node) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stop != nil {
		return fmt.Errorf("node %s runs already", n.id)
	}
	servers, err := builtin.New(builtin.Config{Services: n.claims.GetServices()})
	if err != nil {
		return err
	}
	for _, s := range n.claims.GetServices() {
		servers.SetStartDelay(s.GetName(), c.options.StartDelay)
	}
	a, err := agent.New(agent.Config{
		Node: n.id, Dir: n.dir, Members: c.Addresses(), Claims: n.claims, Version: c.options.Version,
		Drivers: map[string]driver.Driver{builtinDriver: servers}, Logger: c.options.Logger.With("node", n.id),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	n.stop, n.done = cancel, done
	go func() {
		defer close(done)
		err := a.Run(ctx)
		if err != nil && ctx.Err() == nil {
			c.fail(fmt.Errorf("agent of %s: %w", n.id, err))
		}
	}()
	return nil
}

// kill cuts a node off without goodbye: its agent and its servers are gone.
func (n *node) kill() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stop == nil {
		return fmt.Errorf("node %s is dead already", n.id)
	}
	n.stop()
	<-n.done
	n.stop = nil
	return nil
}
