package members

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"roster/client"
	"roster/client/identity"
	"roster/integration/cluster"
	v1 "roster/proto/roster/v1"
)

// attemptBound bounds one attempt of a write; then the same request is sent
// again under its id.
const attemptBound = 5 * time.Second

// again: every which write is followed by the one before, sent once more.
const again = 5

// writer sets a label of a node to 1, 2, 3… through any member. Each value is
// sent under one request id until it is acknowledged, so no outcome stays open.
// After every fifth it sends the request before once more: had that been done
// twice, the label would go back, and what it reads is checked against what was
// acknowledged.
type writer struct {
	t    *testing.T
	api  *client.Client
	node string
	stop context.CancelFunc
	done sync.WaitGroup

	mu sync.Mutex
	// acked is the newest acknowledged value; sent the newest that was tried.
	acked, sent int
	// attempts that failed and were made again; checks that were read.
	retried, checked int
	faults           []string
	// begun and ended are of the newest acknowledged write.
	begun, ended time.Time
	longest      time.Duration
}

func (s *site) writeTo(node string) *writer {
	s.t.Helper()
	files := s.Certs("user", "operator")
	tls, err := identity.ClientTLS(identity.Files{CA: files.CA, Cert: files.Cert, Key: files.Key}, s.Name)
	if err != nil {
		s.t.Fatal(err)
	}
	var addresses []string
	for _, m := range s.Members {
		addresses = append(addresses, m.Address)
	}
	api, err := client.New(client.Config{Members: addresses, TLS: tls})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{t: s.t, api: api, node: node, stop: stop, ended: time.Now()}
	w.done.Go(func() {
		defer func() { _ = api.Close() }() // nothing is under way
		w.run(ctx)
	})
	s.t.Cleanup(func() { stop(); w.done.Wait() })
	w.reaches(s.t, 10)
	return w
}

func (w *writer) run(ctx context.Context) {
	nodes := v1.NewNodeServiceClient(w.api)
	request := func(value int) *v1.UpdateNodeRequest {
		return &v1.UpdateNodeRequest{RequestId: w.api.RequestID(), Id: w.node, SetLabels: map[string]string{"count": fmt.Sprint(value)}}
	}
	var before *v1.UpdateNodeRequest
	var index uint64
	for value := 1; ctx.Err() == nil; value++ {
		now := request(value)
		w.mu.Lock()
		w.sent = value
		w.mu.Unlock()
		begun := time.Now()
		answer, ok := w.until(ctx, nodes, now)
		if !ok {
			return
		}
		w.acknowledged(value, begun)
		if value%again == 0 && before != nil {
			repeated, ok := w.until(ctx, nodes, before)
			if ok && repeated.GetIndex() != index {
				w.fault("request %s was done at index %d and at %d", before.GetRequestId(), index, repeated.GetIndex())
			}
			w.check(ctx, nodes, value)
		}
		before, index = now, answer.GetIndex()
	}
}

// until sends a request until it is acknowledged or the writer ends.
func (w *writer) until(ctx context.Context, nodes v1.NodeServiceClient, request *v1.UpdateNodeRequest) (*v1.UpdateNodeResponse, bool) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, attemptBound)
		answer, err := nodes.UpdateNode(attempt, request)
		cancel()
		if err == nil {
			return answer, true
		}
		w.mu.Lock()
		w.retried++
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond): // members that are gone refuse at once
		}
	}
	return nil, false
}

// check reads the label: nobody else writes it.
func (w *writer) check(ctx context.Context, nodes v1.NodeServiceClient, want int) {
	attempt, cancel := context.WithTimeout(ctx, attemptBound)
	defer cancel()
	got, err := nodes.GetNode(attempt, &v1.GetNodeRequest{Id: w.node})
	if err != nil {
		return
	}
	w.mu.Lock()
	w.checked++
	w.mu.Unlock()
	if label := got.GetNode().GetLabels()["count"]; label != fmt.Sprint(want) {
		w.fault("%d was acknowledged, the cluster has %s", want, label)
	}
}

func (w *writer) acknowledged(value int, begun time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.longest = max(w.longest, now.Sub(w.ended))
	w.acked, w.begun, w.ended = value, begun, now
}

func (w *writer) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *writer) newest() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked
}

// reaches waits until that many more writes are acknowledged.
func (w *writer) reaches(t *testing.T, more int) {
	t.Helper()
	target := w.newest() + more
	cluster.Until(t, bound, "writes are acknowledged", func() error {
		if got := w.newest(); got < target {
			return fmt.Errorf("%d of %d", got, target)
		}
		return nil
	})
}

// recovers breaks something and gives the longest time without an acknowledged
// write from then on, until writes flow again.
func (w *writer) recovers(t *testing.T, what string, fault func()) {
	t.Helper()
	w.mu.Lock()
	w.longest = 0
	w.mu.Unlock()
	fault()
	w.reaches(t, 20)
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%s: the longest time without an acknowledged write was %s (attempts made again so far: %d)", what, w.longest.Round(time.Millisecond), w.retried)
}

// end stops the writer and gives the newest acknowledged value and the newest
// that was sent.
func (w *writer) end() (acked, sent int) {
	w.t.Helper()
	w.stop()
	w.done.Wait()
	for _, fault := range w.faults {
		w.t.Error(fault)
	}
	w.t.Logf("%s: %d writes acknowledged, every fifth sent once more, %d attempts made again, %d reads checked", w.node, w.acked, w.retried, w.checked)
	return w.acked, w.sent
}

// kept wants the last write to be there: acknowledged, or sent and perhaps done.
func (s *site) kept(w *writer) {
	s.t.Helper()
	acked, sent := w.end()
	label := s.label(w.node)
	if label != fmt.Sprint(acked) && label != fmt.Sprint(sent) {
		s.t.Errorf("%s: acknowledged %d, sent %d, the cluster has %q", w.node, acked, sent, label)
	}
}

// label is the value of the writer's label as the cluster knows it.
func (s *site) label(node string) string {
	s.t.Helper()
	var got struct {
		Node struct {
			Labels map[string]string `json:"labels"`
		} `json:"node"`
	}
	cluster.Until(s.t, bound, "read the label", func() error { return s.JSON(&got, "node", "get", node) })
	return got.Node.Labels["count"]
}
