package raftnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// rpcWait bounds one message between members, with the follower's write to
	// its disk.
	rpcWait = 10 * time.Second
	// appendAtOnce is how many entries a follower gets in one message.
	appendAtOnce = 1024
	// connsPerPeer are kept open to each other member.
	connsPerPeer = 4
	// snapshotCheck is how often raft looks whether a snapshot is due.
	snapshotCheck = 30 * time.Second
)

// Run takes part in the group until ctx ends or this member must stop. Where
// ctx ended it hands leadership over, stops and returns nil. An error says why
// the member cannot go on and what to do: the process should end then, since
// after ErrDisk some of it may hang for ever.
func (n *Node) Run(ctx context.Context) error {
	if !n.ran.CompareAndSwap(false, true) {
		return errors.New("raft member: run twice, or after close")
	}
	quit := make(chan struct{})
	notices := make(chan bool)
	var drained sync.WaitGroup
	drained.Go(func() { n.throne.drain(notices, quit) })
	defer drained.Wait()
	defer close(quit)

	link := n.openLink()
	if err := n.start(link.transport, notices); err != nil {
		close(n.done)
		close(n.gone)
		return errors.Join(err, link.close(), n.closeFiles())
	}
	loops, cancel := context.WithCancel(context.Background())
	defer cancel()
	var running sync.WaitGroup
	n.startLoops(loops, &running)
	close(n.started)

	var reason error
	select {
	case <-ctx.Done():
	case reason = <-n.fatal:
	}
	ended := n.shutDown(link, cancel, &running, reason == nil)
	close(n.gone)
	if !ended {
		// Something hangs, as behind a dead disk. Closing the files would hang
		// too; the end of the process gives them back.
		if reason == nil {
			reason = fmt.Errorf("%w: this member could not stop in time: end the process", ErrDisk)
		}
		return reason
	}
	return errors.Join(reason, n.closeFiles())
}

// link is how raft reaches the other members.
type link struct {
	transport raft.Transport
	stream    *stream
}

func (n *Node) openLink() link {
	if n.cfg.transport != nil {
		n.witness = newWitness(n.cfg.transport(raft.ServerID(n.cfg.Identity.ID)))
		return link{transport: n.witness}
	}
	s := newStream(n.cfg, n.listener, n)
	n.witness = newWitness(raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: s,
		// One at a time: with more, an error of a follower's disk can stop
		// replication to it for good. Group commit gives the speed back.
		MaxRPCsInFlight:         1,
		MaxPool:                 connsPerPeer,
		Timeout:                 rpcWait,
		ServerAddressProvider:   resolver{n},
		Logger:                  newRaftLog(n.cfg.Logger),
		MsgpackUseNewTimeFormat: true,
	}))
	return link{stream: s, transport: n.witness}
}

// close closes the port and all connections; transport and stream may be closed
// twice.
func (l link) close() error {
	var err error
	if closer, ok := l.transport.(raft.WithClose); ok {
		err = closer.Close()
	}
	if l.stream != nil {
		_ = l.stream.Close()
	}
	return err
}

// start begins to take part. Raft reads the snapshot and the log on this very
// goroutine, and panics where it cannot.
func (n *Node) start(transport raft.Transport, notices chan<- bool) error {
	var r *raft.Raft
	err := guarded(func() (err error) {
		r, err = raft.NewRaft(n.raftConfig(notices), n.replica, n.cache, n.store, n.snapshots, transport)
		return err
	})
	if err != nil {
		return n.replica.explain(damaged(n.cfg.Dir, "", err))
	}
	n.node.Store(r)
	return nil
}

func (n *Node) raftConfig(notices chan<- bool) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(n.cfg.Identity.ID)
	conf.HeartbeatTimeout = n.timing.heartbeat
	conf.ElectionTimeout = n.timing.election
	conf.LeaderLeaseTimeout = n.timing.lease
	conf.CommitTimeout = n.timing.commit
	conf.MaxAppendEntries = appendAtOnce
	conf.SnapshotThreshold = n.cfg.SnapshotThreshold
	conf.TrailingLogs = n.cfg.SnapshotThreshold
	conf.SnapshotInterval = snapshotCheck
	conf.ShutdownOnRemove = true
	conf.NoLegacyTelemetry = true
	conf.NotifyCh = notices
	conf.Logger = newRaftLog(n.cfg.Logger)
	return conf
}

// startLoops starts what runs beside raft.
func (n *Node) startLoops(ctx context.Context, running *sync.WaitGroup) {
	n.store.arm(n.stop)
	n.replica.arm()
	observations := make(chan raft.Observation, 16)
	observer := raft.NewObserver(observations, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	n.raft().RegisterObserver(observer)
	running.Go(func() {
		defer n.raft().DeregisterObserver(observer)
		for {
			select {
			case <-observations:
				n.throne.announce()
			case <-ctx.Done():
				return
			}
		}
	})
	running.Go(func() { n.commitLoop(ctx) })
	running.Go(func() { n.readLoop(ctx) })
	running.Go(func() { n.accede(ctx) })
	for _, loop := range []func(context.Context) error{n.watch.run, n.watch.probe, n.superviseMembership, n.learnEpoch} {
		running.Go(func() {
			if err := loop(ctx); err != nil {
				n.stop(err)
			}
		})
	}
}

// shutDown ends everything; false where something did not end in time.
func (n *Node) shutDown(link link, cancel func(), running *sync.WaitGroup, graceful bool) bool {
	close(n.done)
	answerAll(n.queue.close(), ErrStopping)
	if graceful {
		// What is on its way gets its answer before leadership goes.
		n.within(n.settle)
		n.handOver()
	}
	n.throne.close()
	cancel()
	// Off the network first: behind a hung disk heartbeats would go on, and
	// nobody may take this member for a live leader. It then finds out by
	// itself that it leads no more, and answers what waits; once it is shut
	// down, raft answers nothing.
	_ = link.close()
	n.within(n.calls.Wait)
	return n.within(func() {
		_ = n.raft().Shutdown().Error()
		running.Wait()
	})
}

// settle waits until no entry is on its way.
func (n *Node) settle() {
	for range entriesInFlight {
		select {
		case n.places <- struct{}{}:
		case <-n.gone:
			return
		}
	}
}

// handOver gives leadership to another member, so that it is not missed for an
// election timeout.
func (n *Node) handOver() {
	if n.raft().State() != raft.Leader || len(n.Voters()) < 2 {
		return
	}
	n.within(func() {
		if err := n.raft().LeadershipTransfer().Error(); err != nil {
			n.cfg.Logger.Info("leadership was not handed over; another member will be elected", "error", err)
		}
	})
}

// within waits for f, but no longer than StopBound.
func (n *Node) within(f func()) bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f()
	}()
	bound := time.NewTimer(n.cfg.StopBound)
	defer bound.Stop()
	select {
	case <-ended:
		return true
	case <-bound.C:
		return false
	}
}
