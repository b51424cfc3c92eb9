package dev

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"roster/client"
	"roster/fsm"
	v1 "roster/proto/roster/v1"
	"roster/server"
	"roster/server/raftnode"
)

// member is one control-plane server of the cluster, running or cut off.
type member struct {
	name    string
	dir     string
	address string
	raft    string

	mu   sync.Mutex
	run  *server.Member
	stop context.CancelFunc
	done chan struct{}
	// removed: it was taken out of the cluster, for good.
	removed bool
}

const clusterName = "dev"

// newMembers makes the data folders: the first member's by init, the others'
// when they join.
func (c *Cluster) newMembers(ports *ports) error {
	for i := range c.options.Members {
		address, err := ports.api(i)
		if err != nil {
			return err
		}
		raftPort, err := ports.take()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("m%d", i+1)
		c.members = append(c.members, &member{
			name: name, dir: filepath.Join(c.options.Dir, name), address: address, raft: loopback(raftPort),
		})
	}
	return nil
}

// startMembers starts the first member, lets the others join, and returns when
// all have a vote.
func (c *Cluster) startMembers(ctx context.Context) error {
	first := c.members[0]
	_, err := raftnode.Init(first.dir, raftnode.InitOptions{
		ClusterName: clusterName, MemberName: first.name, RaftAddress: first.raft, Address: first.address,
		Profile: v1.TimingProfile_TIMING_PROFILE_RELAXED,
	})
	if err != nil {
		return err
	}
	if err := c.startMember(ctx, first); err != nil {
		return err
	}
	api, err := client.New(client.Config{Members: []string{first.address}, Logger: c.options.Logger})
	if err != nil {
		return err
	}
	defer func() { _ = api.Close() }() // nothing is left to be said on it
	for _, m := range c.members[1:] {
		if err := c.joinMember(ctx, api, m); err != nil {
			return fmt.Errorf("join member %s: %w", m.name, err)
		}
	}
	return nil
}

func (c *Cluster) joinMember(ctx context.Context, api *client.Client, m *member) error {
	id := raftnode.NewMemberID()
	answer, err := v1.NewClusterServiceClient(api).JoinMember(ctx, &v1.JoinMemberRequest{
		RequestId: api.RequestID(),
		Member:    &v1.Member{Id: id, Name: m.name, RaftAddress: m.raft, Address: m.address, MaxSchema: fsm.Schema, Version: c.options.Version},
	})
	if err != nil {
		return err
	}
	err = raftnode.PrepareJoin(m.dir, raftnode.Identity{
		ID: id, Name: m.name, ClusterID: answer.GetCluster().GetId(), ClusterName: answer.GetCluster().GetName(),
		RaftAddress: m.raft, Address: m.address, Profile: answer.GetCluster().GetProfile(), RoundTripMS: answer.GetCluster().GetRoundTripMs(),
	})
	if err != nil {
		return err
	}
	if err := c.startMember(ctx, m); err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		list, err := v1.NewClusterServiceClient(api).ListMembers(ctx, &v1.ListMembersRequest{})
		if err != nil {
			return false, err
		}
		for _, known := range list.GetMembers() {
			if known.GetId() == id && known.GetVoter() {
				return true, nil
			}
		}
		return false, nil
	})
}

// startMember opens a member's folder and runs it until it is killed or the
// cluster ends.
func (c *Cluster) startMember(_ context.Context, m *member) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run != nil {
		return fmt.Errorf("member %s runs already", m.name)
	}
	if m.removed {
		return fmt.Errorf("member %s was removed from the cluster: it does not come back", m.name)
	}
	run, err := server.New(server.Config{
		Dir: m.dir, Heartbeat: Heartbeat, Timings: Timings, Quiet: Quiet, Version: c.options.Version, Logger: c.options.Logger,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	m.run, m.stop, m.done = run, cancel, done
	go func() {
		err := run.Run(ctx)
		close(done)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, raftnode.ErrRemoved):
			// Somebody asked for it: it is gone, and the rest runs on.
			c.options.Logger.Info("member was removed", "member", m.name)
			m.leave(done)
		default:
			c.fail(fmt.Errorf("member %s: %w", m.name, err))
		}
	}()
	return nil
}

// leave notes that the run that ended was the member's last.
func (m *member) leave(done chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done == done {
		m.removed = true
		m.stop()
		m.run = nil
	}
}

// kill cuts a member off without goodbye.
func (m *member) kill() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		return fmt.Errorf("member %s is dead already", m.name)
	}
	m.run.Abandon()
	m.stop()
	<-m.done
	m.run = nil
	return nil
}

// end stops a member as an operator would.
func (m *member) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		return
	}
	m.stop()
	<-m.done
	m.run = nil
}

// until calls ok every 20 ms until it holds or ctx ends.
func until(ctx context.Context, ok func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		done, err := ok()
		if done {
			return nil
		}
		last = err
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case <-tick.C:
		}
	}
}
