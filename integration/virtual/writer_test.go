package virtual

import (
	"context"
	"fmt"
	"time"

	"roster/client"
	v1 "roster/proto/roster/v1"
)

// again: every which write is followed by the one before, sent once more.
const again = 5

// writer sets a label of a node to 1, 2, 3… through any member. Each value is sent
// under one request id until it is acknowledged. After every fifth it sends the
// request before once more: had that been done twice, the label would go back.
type writer struct {
	w    *world
	api  *client.Client
	node string
	stop context.CancelFunc
	done chan struct{}

	// Below: the writer's own until it has ended.
	acked, sent int
	ids         map[string]bool // acknowledged
	faults      []string
}

// scribe is a node that serves nothing and is spared; its label is written.
func (w *world) scribe() *writer {
	h := newHost(w, "scribe", &v1.NodeClaims{Region: "a", Zone: "a1"}, w.hosts[0].cfg.Members)
	h.start()
	w.spared = h
	w.until("the scribe is a node", time.Minute, func() bool {
		_, err := v1.NewNodeServiceClient(w.api).GetNode(context.Background(), &v1.GetNodeRequest{Id: h.id})
		return err == nil
	})
	ctx, stop := context.WithCancel(context.Background())
	s := &writer{w: w, api: w.client(), node: h.id, stop: stop, done: make(chan struct{}), ids: map[string]bool{}}
	go func() {
		defer close(s.done)
		defer func() { _ = s.api.Close() }() // nothing is under way
		s.run(ctx)
	}()
	return s
}

func (s *writer) run(ctx context.Context) {
	var before *v1.UpdateNodeRequest
	var index uint64
	for value := 1; ctx.Err() == nil; value++ {
		now := &v1.UpdateNodeRequest{RequestId: s.api.RequestID(), Id: s.node, SetLabels: map[string]string{"count": fmt.Sprint(value)}}
		s.sent = value
		answer, ok := s.until(ctx, now)
		if !ok {
			return
		}
		s.acked, s.ids[now.GetRequestId()] = value, true
		if value%again == 0 {
			repeated, ok := s.until(ctx, before)
			if ok && repeated.GetIndex() != index {
				s.fault("request %s was done at index %d and at %d", before.GetRequestId(), index, repeated.GetIndex())
			}
			s.check(ctx, value)
		}
		before, index = now, answer.GetIndex()
		rest(ctx, time.Second)
	}
}

func (s *writer) until(ctx context.Context, request *v1.UpdateNodeRequest) (*v1.UpdateNodeResponse, bool) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		answer, err := v1.NewNodeServiceClient(s.api).UpdateNode(attempt, request)
		cancel()
		if err == nil {
			return answer, true
		}
		rest(ctx, 300*time.Millisecond)
	}
	return nil, false
}

// check reads the label: nobody else writes it.
func (s *writer) check(ctx context.Context, want int) {
	attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	got, err := v1.NewNodeServiceClient(s.api).GetNode(attempt, &v1.GetNodeRequest{Id: s.node})
	if label := got.GetNode().GetLabels()["count"]; err == nil && label != fmt.Sprint(want) {
		s.fault("%d was acknowledged, the cluster has %q", want, label)
	}
}

func (s *writer) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// end stops the writer, and says what was lost or done twice.
func (s *writer) end(w *world) []string {
	s.stop()
	<-s.done
	var events []*v1.Event
	var label string
	err := w.insist(time.Minute, func(ctx context.Context) error {
		node, err := v1.NewNodeServiceClient(w.api).GetNode(ctx, &v1.GetNodeRequest{Id: s.node})
		if err != nil {
			return err
		}
		label = node.GetNode().GetLabels()["count"]
		list, err := v1.NewEventServiceClient(w.api).ListEvents(ctx, &v1.ListEventsRequest{Limit: 100_000})
		events = list.GetEvents()
		return err
	})
	if err != nil {
		s.fault("what was written cannot be read: %v", err)
		return s.faults
	}
	if label != fmt.Sprint(s.acked) && label != fmt.Sprint(s.sent) {
		s.fault("acknowledged %d, sent %d, the cluster has %q", s.acked, s.sent, label)
	}
	done := map[string]uint64{}
	for _, e := range events {
		id := e.GetRequestId()
		if id == "" {
			continue
		}
		if at, twice := done[id]; twice && at != e.GetIndex() {
			s.fault("request %s was done at index %d and at %d", id, at, e.GetIndex())
		}
		done[id] = e.GetIndex()
	}
	for id := range s.ids {
		if done[id] == 0 {
			s.fault("request %s was acknowledged, and no event tells of it", id)
		}
	}
	return s.faults
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
