package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"roster/client"
	"roster/cmd/internal/screen"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// Session is one run of `roster dev`.
type Session struct {
	Options Options
	// Source is the topology file, and its name.
	Source   []byte
	FileName string
	// AcceptShortage applies it where the nodes cannot fill it, too.
	AcceptShortage bool
	// Once ends when the cluster settled.
	Once bool
	// Picture draws the state for people; else each change is shown.
	Picture bool
	// Timeout bounds the time until the cluster settled; with Once it is an
	// error that it passed.
	Timeout time.Duration
	Out     io.Writer
	Notes   io.Writer
	// Show prints a status in the form that was asked for.
	Show func(*v1.Status) error
}

// ErrNotSettled says that the time to settle has passed.
var ErrNotSettled = errors.New("the cluster did not settle in time")

// Run runs a cluster until it settled, with Once, or ctx ends.
func (s Session) Run(ctx context.Context) error {
	parsed, err := topology.Parse(s.FileName, s.Source)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cluster, err := Start(ctx, s.Options, parsed)
	if err != nil {
		return err
	}
	defer cluster.Close()
	api, err := client.New(client.Config{Members: cluster.Addresses(), Logger: s.Options.Logger})
	if err != nil {
		return err
	}
	defer func() { _ = api.Close() }() // nothing is left to be said on it

	failed := make(chan error, 2)
	controlled := make(chan struct{})
	go func() {
		defer close(controlled)
		failed <- cluster.control(ctx)
	}()
	defer func() {
		cancel()
		<-controlled // it takes its socket away
	}()
	go func() {
		select {
		case <-ctx.Done():
		case <-cluster.Failed():
			failed <- cluster.Err()
			cancel()
		}
	}()
	if !s.Once && !(s.Picture && screen.New(s.Out).InPlace()) {
		s.announce(cluster) // else it stands under the picture
	}
	err = s.drive(ctx, api, cluster)
	select {
	case cause := <-failed:
		if cause != nil && !errors.Is(cause, context.Canceled) {
			return cause
		}
	default:
	}
	return err
}

func (s Session) drive(ctx context.Context, api *client.Client, cluster *Cluster) error {
	settle, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	if err := s.apply(settle, api, len(cluster.nodes)); err != nil {
		return s.late(settle, ctx, err)
	}
	if !s.Once {
		return s.watch(ctx, api, cluster)
	}
	status, err := settled(settle, api)
	if err != nil {
		return s.late(settle, ctx, err)
	}
	return s.Show(status)
}

// late says that it was the time to settle that passed, and nothing else.
func (s Session) late(settle, whole context.Context, err error) error {
	if settle.Err() != nil && whole.Err() == nil {
		return fmt.Errorf("%w (%s): %w", ErrNotSettled, s.Timeout, err)
	}
	return err
}

// apply waits until every node registered, so that nothing is short for a
// moment only, and applies the topology.
func (s Session) apply(ctx context.Context, api *client.Client, nodes int) error {
	err := until(ctx, func() (bool, error) {
		list, err := v1.NewNodeServiceClient(api).ListNodes(ctx, &v1.ListNodesRequest{})
		up := 0
		for _, n := range list.GetNodes() {
			if n.GetState() == v1.NodeState_NODE_STATE_UP {
				up++
			}
		}
		return up == nodes, err
	})
	if err != nil {
		return fmt.Errorf("wait for %d nodes: %w", nodes, err)
	}
	_, err = v1.NewTopologyServiceClient(api).ApplyTopology(ctx, &v1.ApplyTopologyRequest{
		RequestId: api.RequestID(), Source: s.Source, FileName: s.FileName, AcceptShortage: s.AcceptShortage,
	})
	return err
}

func settled(ctx context.Context, api *client.Client) (*v1.Status, error) {
	var last *v1.Status
	err := until(ctx, func() (bool, error) {
		answer, err := v1.NewClusterServiceClient(api).GetStatus(ctx, &v1.GetStatusRequest{})
		if err != nil {
			return false, err
		}
		last = answer.GetStatus()
		return last.GetSettled(), nil
	})
	if err != nil && last != nil {
		return nil, fmt.Errorf("%w\n%s", err, strings.Join(last.GetSentences(), "\n"))
	}
	return last, err
}

// announce says what a second shell needs to know.
func (s Session) announce(cluster *Cluster) {
	for _, line := range notes(cluster) {
		fmt.Fprintln(s.Notes, line)
	}
}

func notes(cluster *Cluster) []string {
	addresses := cluster.Addresses()
	// Some members are enough to find the others, and the line has to fit: it
	// stands alone, to be pasted.
	some := addresses[:min(3, len(addresses))]
	return []string{
		"API: " + strings.Join(addresses, ", ") + ". In a second shell:",
		"export ROSTER_MEMBERS=" + strings.Join(some, ","),
		"roster status · roster topology apply -f FILE · roster node cordon node-1",
		"roster dev kill node-3 · roster dev revive node-3 · roster dev kill m1",
		fmt.Sprintf("Dev's timings win over the file's: heartbeat %s, down_after %s, replace_after %s, return_after %s.",
			Heartbeat, Timings.DownAfter, Timings.ReplaceAfter, Timings.ReturnAfter),
	}
}

// watch shows the state until ctx ends.
func (s Session) watch(ctx context.Context, api *client.Client, cluster *Cluster) error {
	show, end := s.shown(cluster)
	defer end()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		frame := look(ctx, api)
		if ctx.Err() != nil {
			return nil
		}
		if err := show(frame); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look reads what a frame shows.
func look(ctx context.Context, api *client.Client) (frame screen.Frame) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, err := v1.NewClusterServiceClient(api).GetStatus(ctx, &v1.GetStatusRequest{})
	if err != nil {
		return screen.Frame{Trouble: client.Sentence(err)}
	}
	frame.Status = answer.GetStatus()
	events, err := v1.NewEventServiceClient(api).ListEvents(ctx, &v1.ListEventsRequest{Stale: true, Limit: 50})
	if err != nil {
		frame.Trouble = client.Sentence(err)
	}
	frame.Events = events.GetEvents()
	return frame
}

// shown returns how frames are shown: as a picture, or each change in the form
// that was asked for.
func (s Session) shown(cluster *Cluster) (show func(screen.Frame) error, end func()) {
	if s.Picture {
		picture := screen.New(s.Out)
		return func(f screen.Frame) error {
			if picture.InPlace() {
				f.Notes = notes(cluster)
			}
			return picture.Draw(f)
		}, func() { _ = picture.Close() } // only the cursor is at stake
	}
	var last uint64
	return func(f screen.Frame) error {
		if f.Status == nil || f.Status.GetIndex() == last {
			return nil
		}
		last = f.Status.GetIndex()
		return s.Show(f.Status)
	}, func() {}
}
