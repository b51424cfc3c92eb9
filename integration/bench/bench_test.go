package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"roster/client"
	"roster/integration/cluster"
	v1 "roster/proto/roster/v1"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// size is how much is done: tiny proves that the benchmark works, in every run
// of the tests; ROSTER_BENCH says short or full.
type size struct {
	name            string
	nodes           int
	clients         []int
	length          time.Duration
	kills, rounds   int
	batchClients    int
	changesPerBatch int
}

func sizeOf(name string) size {
	switch name {
	case "full":
		return size{name, 1000, []int{1, 256, 1024}, 10 * time.Second, 20, 5, 16, 128}
	case "short":
		return size{name, 1000, []int{1, 256}, 3 * time.Second, 3, 2, 16, 128}
	default:
		return size{"tiny", 20, []int{1, 8}, 300 * time.Millisecond, 1, 1, 2, 16}
	}
}

func TestBenchMembersAsProcesses(t *testing.T) {
	size := sizeOf(os.Getenv("ROSTER_BENCH"))
	profile := "lan"
	if size.name == "tiny" {
		profile = "relaxed" // other tests have the processors too
	}
	c := cluster.New(t, cluster.Options{Plain: true, Profile: profile})
	var addresses []string
	for _, m := range c.Members {
		addresses = append(addresses, m.Address)
	}
	fleet := NewFleet(addresses, size.nodes)
	defer fleet.Close()
	cluster.Until(t, 2*time.Minute, "every node is registered", func() error {
		status, err := getStatus(t, addresses, false)
		if err != nil {
			return err
		}
		up := 0
		for _, n := range status.GetNodes() {
			if n.GetState() == v1.NodeState_NODE_STATE_UP {
				up++
			}
		}
		if up != size.nodes {
			return errors.Join(fmt.Errorf("%d of %d nodes are up", up, size.nodes), fleet.Trouble())
		}
		return nil
	})

	var figures []Figure
	figures = append(figures, fanOut(t, addresses, fleet, size)...)
	figures = append(figures, writes(t, c, addresses, size)...)
	figures = append(figures, kills(t, c, addresses, size)...)
	t.Logf("\n%s\nthree members and %d connected agents on this machine, without TLS, profile %s, fsync on, %s\n\n%s",
		Machine(), size.nodes, profile, size.name, Table(figures))
}

// getStatus asks any member.
func getStatus(t *testing.T, addresses []string, stale bool) (*v1.Status, error) {
	t.Helper()
	conn, err := client.New(client.Config{Members: addresses})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // one question
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	response, err := v1.NewClusterServiceClient(conn).GetStatus(ctx, &v1.GetStatusRequest{Stale: stale})
	return response.GetStatus(), err
}

// fanOut adds one service after the other to every node's set. The first round
// is not measured.
func fanOut(t *testing.T, addresses []string, fleet *Fleet, size size) []Figure {
	t.Helper()
	conn, err := client.New(client.Config{Members: addresses})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the rounds are over
	var whole, spread []time.Duration
	for round := 1; round <= 1+size.rounds; round++ {
		name := fmt.Sprintf("round-%d", round)
		source := fmt.Sprintf("name: %s\npools:\n  - {name: all, services: [%s], all: true}\npolicy: {max_moving: 100%%}\n",
			name, strings.Join(services[:round], ", "))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		began := time.Now()
		_, err := v1.NewTopologyServiceClient(conn).ApplyTopology(ctx, &v1.ApplyTopologyRequest{
			RequestId: conn.RequestID(), Source: []byte(source), FileName: name + ".yaml", AllowStop: true,
		})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		var first, last time.Time
		cluster.Until(t, 2*time.Minute, "every agent holds its set", func() error {
			var n int
			if n, first, last = fleet.Holding(round); n != size.nodes {
				return errors.Join(fmt.Errorf("%d of %d agents", n, size.nodes), fleet.Trouble())
			}
			return nil
		})
		if round > 1 { // the first placement waits for nodes that may still come
			whole, spread = append(whole, last.Sub(began)), append(spread, last.Sub(first))
		}
		cluster.Until(t, 2*time.Minute, name+" settles", func() error {
			status, err := getStatus(t, addresses, false)
			if err == nil && (!status.GetSettled() || status.GetTopology().GetName() != name) {
				err = fmt.Errorf("not settled: %v", status.GetSentences())
			}
			return err
		})
	}
	return []Figure{
		{fmt.Sprintf("apply → last of %d agents holds its set, median", size.nodes), millis(percentile(whole, 50)), fmt.Sprintf("of %d; planning and proposing included", len(whole))},
		{"first agent → last agent, median", millis(percentile(spread, 50)), ""},
	}
}

// writes measures label updates.
func writes(t *testing.T, c *cluster.Cluster, addresses []string, size size) []Figure {
	t.Helper()
	var figures []Figure
	measure := func(what string, to []string, clients, batch int) {
		w, err := Write(to, clients, batch, size.nodes, size.length)
		if err != nil {
			t.Fatal(err)
		}
		if w.Done == 0 {
			t.Errorf("%s: nothing was acknowledged: %v", what, w.Err)
		}
		note := fmt.Sprintf("p50 %s, p99 %s", millis(percentile(w.Latency, 50)), millis(percentile(w.Latency, 99)))
		if w.Failed > 0 {
			note += fmt.Sprintf(", %d failed: %v", w.Failed, w.Err)
		}
		figures = append(figures, Figure{what, fmt.Sprintf("%.0f /s", w.PerSecond()), note})
	}
	leader := []string{c.Leader(time.Minute).Address}
	for _, clients := range size.clients {
		measure(fmt.Sprintf("label updates, %d clients, to the leader", clients), leader, clients, 1)
	}
	measure(fmt.Sprintf("label updates, %d clients, to any member", size.clients[len(size.clients)-1]), addresses, size.clients[len(size.clients)-1], 1)
	measure(fmt.Sprintf("changes, %d in one request, %d clients", size.changesPerBatch, size.batchClients), leader, size.batchClients, size.changesPerBatch)
	return figures
}

// kills measures how long nothing is acknowledged after the leader was killed.
func kills(t *testing.T, c *cluster.Cluster, addresses []string, size size) []Figure {
	t.Helper()
	var gaps []time.Duration
	for range size.kills {
		leader := c.Leader(time.Minute)
		p := startPulse(t, addresses)
		cluster.Until(t, time.Minute, "writes are acknowledged", func() error { return p.ackedSince(p.began, new(time.Time)) })
		killed := time.Now()
		leader.Kill()
		var at time.Time
		cluster.Until(t, time.Minute, "a write is acknowledged without the leader", func() error { return p.ackedSince(killed, &at) })
		gaps = append(gaps, at.Sub(killed))
		p.stop()
		leader.Start()
		cluster.Until(t, time.Minute, "the killed member caught up", func() error {
			now, err := getStatus(t, addresses, false)
			if err != nil {
				return err
			}
			own, err := getStatus(t, []string{leader.Address}, true)
			if err == nil && own.GetIndex() < now.GetIndex() {
				err = fmt.Errorf("at %d of %d", own.GetIndex(), now.GetIndex())
			}
			return err
		})
	}
	return []Figure{
		{"leader killed → next acknowledged write, p50", millis(percentile(gaps, 50)), fmt.Sprintf("of %d", len(gaps))},
		{"leader killed → next acknowledged write, p99", millis(percentile(gaps, 99)), "the worst, where there are fewer than 100"},
	}
}

// pulse is writers with a short patience, so that a new leader is found as soon
// as there is one.
type pulse struct {
	began  time.Time
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu sync.Mutex
	// acks are writes that were sent and acknowledged.
	acks []ack
}

type ack struct{ sent, at time.Time }

func startPulse(t *testing.T, addresses []string) *pulse {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &pulse{began: time.Now(), cancel: cancel}
	ids, err := client.New(client.Config{Members: addresses})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 * len(addresses) {
		conn, err := grpc.NewClient(addresses[i%len(addresses)], grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		p.group.Go(func() {
			defer func() { _ = conn.Close() }() // the pulse is over
			api := v1.NewNodeServiceClient(conn)
			for n := 0; ctx.Err() == nil; n++ {
				sent := time.Now()
				call, cancel := context.WithTimeout(ctx, 5*time.Second)
				_, err := write(call, api, ids, i+n, 1, 1)
				cancel()
				if err != nil {
					timer := time.NewTimer(5 * time.Millisecond)
					select {
					case <-timer.C:
					case <-ctx.Done():
						timer.Stop()
					}
					continue
				}
				p.mu.Lock()
				p.acks = append(p.acks, ack{sent, time.Now()})
				p.mu.Unlock()
			}
		})
	}
	return p
}

// ackedSince is the first acknowledgement of a write that was sent after a time.
func (p *pulse) ackedSince(since time.Time, at *time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.acks {
		if a.sent.After(since) && (at.IsZero() || a.at.Before(*at)) {
			*at = a.at
		}
	}
	if at.IsZero() {
		return fmt.Errorf("none")
	}
	return nil
}

func (p *pulse) stop() {
	p.cancel()
	p.group.Wait()
}
