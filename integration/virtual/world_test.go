package virtual

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/client"
	"roster/fsm/topology"
	"roster/integration/virtual/judge"
	"roster/integration/virtual/wire"
	v1 "roster/proto/roster/v1"
	"roster/server/raftnode"
)

// world is a cluster in virtual time: real members over raft's transport in memory,
// real agents over a network in memory, services that are lines in a table.
type world struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	dir  string

	net       *wire.Net
	raft      *raftnode.Memory
	profile   v1.TimingProfile
	roundTrip uint32
	members   []*member
	hosts     []*host
	spared    *host      // serves nothing
	desk      *wire.Host // the operator's
	api       *client.Client
	writer    *writer
	wait      sync.WaitGroup
	began     time.Time
	topology  *v1.Topology // the one that was sent last
	approves  bool         // its policy does not repair by itself
	leader    string
	events    []*v1.Event // what the cluster says of itself, at the end

	mu       sync.Mutex
	history  judge.History
	learnt   uint64
	versions map[string]judge.Version
	story    []string
}

func newWorld(t *testing.T, seed uint64, dir string) *world {
	return &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0x5eed)), dir: dir, net: wire.New(), raft: raftnode.NewMemory(),
		began: time.Now(), history: judge.History{Heartbeat: 2 * time.Second, DownAfter: 10 * time.Second}, versions: map[string]judge.Version{},
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("seed %d: %v\n%s", w.seed, err, w.tale())
	}
}

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)+1))
}

func (w *world) note(f judge.Fact) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(f)
}

func (w *world) noteLocked(f judge.Fact) {
	f.At = time.Now()
	w.history.Facts = append(w.history.Facts, f)
}

// tell writes a line of the schedule's story.
func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.story = append(w.story, fmt.Sprintf("%8s %s", time.Since(w.began).Round(time.Millisecond), fmt.Sprintf(format, args...)))
}

func (w *world) tale() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.story, "\n")
}

// disturb tells the judge that the cluster has something to find out.
func (w *world) disturb(format string, args ...any) {
	w.tell(format, args...)
	w.note(judge.Fact{Kind: judge.Disturbed, What: fmt.Sprintf(format, args...)})
}

// dial makes the operator's client.
func (w *world) dial() {
	w.desk = w.net.Host("desk")
	w.api = w.client()
}

func (w *world) client() *client.Client {
	var addresses []string
	for _, m := range w.members {
		addresses = append(addresses, m.address)
	}
	api, err := client.New(client.Config{Members: addresses, Dial: w.desk.Dial})
	w.must(err)
	return api
}

// insist makes a call until it is answered, for so long at most.
func (w *world) insist(within time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		attempt, end := context.WithTimeout(ctx, 5*time.Second)
		err := call(attempt)
		end()
		if err == nil || ctx.Err() != nil || final(err) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// until waits for what must come.
func (w *world) until(what string, within time.Duration, done func() bool) {
	w.t.Helper()
	for end := time.Now().Add(within); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("seed %d: not within %s: %s\n%s", w.seed, within, what, w.tale())
		}
	}
}

// people makes the hosts: some of the examples' ten, with all services or most.
func (w *world) people() {
	nodes, err := topology.ParseNodes("nodes.yaml", topology.ExampleNodes())
	w.must(err)
	var addresses []string
	for _, m := range w.members {
		addresses = append(addresses, m.address)
	}
	w.rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	for _, n := range nodes[:5+w.rng.IntN(4)] {
		claims := &v1.NodeClaims{Region: n.GetClaims().GetRegion(), Zone: n.GetClaims().GetZone(), Labels: n.GetClaims().GetLabels()}
		for i, name := range services {
			claims.Services = append(claims.Services, &v1.ServiceClaim{
				Name: name, Driver: driverName,
				Endpoints: []*v1.Endpoint{{Host: "127.0.0.1", Port: uint32(1000 + i)}}, //nolint:gosec // small
			})
		}
		w.hosts = append(w.hosts, newHost(w, n.GetId(), claims, addresses))
	}
	for _, h := range w.hosts {
		h.start()
	}
}

var services = []string{"imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound"}

// stop ends everything, and gives what raft and gRPC left running virtual time to end.
func (w *world) stop() {
	if state, _ := w.newest(); state != nil {
		w.events, _, _ = state.LastEvents(0, 100_000, func(*v1.Event) bool { return true })
	}
	if w.writer != nil {
		w.writer.stop()
		<-w.writer.done
	}
	for _, h := range append(w.hosts, w.spared) {
		if h != nil {
			h.end()
		}
	}
	if w.api != nil {
		_ = w.api.Close() // nothing is under way
	}
	for _, m := range w.members {
		m.kill()
	}
	w.wait.Wait()
	time.Sleep(2 * time.Minute)
}
