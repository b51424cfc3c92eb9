package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	v1 "roster/proto/roster/v1"
)

func TestAStreamOpensOnTheFirstMemberThatCanBeReachedAndStaysThere(t *testing.T) {
	gone, b := dead(t), start(t)
	b.events = func(_ *v1.WatchEventsRequest, s grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
		if err := s.Send(&v1.WatchEventsResponse{Index: 1}); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	}
	c := newClient(t, client.Config{Members: []string{gone, b.address}, Lean: true})
	begin(t, c, gone)
	s, err := v1.NewEventServiceClient(c).WatchEvents(within(t, patient), &v1.WatchEventsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Recv(); err != nil || m.GetIndex() != 1 || c.Current() != b.address {
		t.Fatalf("%v, %v, at %s", m, err, c.Current())
	}
	b.kill()
	if _, err := s.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("after its member died: %v", err)
	}
	if c.Current() != gone {
		t.Errorf("the next call begins at the member that failed")
	}
	// One round, then it is the caller's turn, though its context has no end.
	_, err = v1.NewEventServiceClient(c).WatchEvents(t.Context(), &v1.WatchEventsRequest{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), gone+": ") || !strings.Contains(err.Error(), b.address+": ") {
		t.Errorf("%v", err)
	}
}

// history is a list of events that several members can serve.
type history struct {
	mu    sync.Mutex
	epoch uint64
	last  uint64
	asked []uint64
}

// serve sends what comes after the index, one a message, at most n, then fails.
func (h *history) serve(n int, end error) func(*v1.WatchEventsRequest, grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
	return func(r *v1.WatchEventsRequest, s grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
		h.mu.Lock()
		h.asked = append(h.asked, r.GetAfterIndex())
		epoch, last := h.epoch, h.last
		h.mu.Unlock()
		if r.GetEpoch() != 0 && r.GetEpoch() != epoch {
			return status.Error(codes.OutOfRange, "another history")
		}
		for i := r.GetAfterIndex() + 1; i <= last && i <= r.GetAfterIndex()+uint64(n); i++ {
			m := &v1.WatchEventsResponse{Epoch: epoch, Index: i, Events: []*v1.Event{{Index: i, Node: r.GetNode()}}}
			if err := s.Send(m); err != nil {
				return err
			}
		}
		return end
	}
}

func TestAWatchGoesOnWhereItBrokeOffOnWhateverMember(t *testing.T) {
	h := &history{epoch: 3, last: 20}
	a, b := start(t), start(t)
	a.events = h.serve(2, status.Error(codes.Unavailable, "bye"))
	b.events = h.serve(3, nil) // ends in good order
	c := newClient(t, client.Config{Members: []string{a.address, b.address, dead(t)}})
	from := &v1.WatchEventsRequest{AfterIndex: 4, Node: "n1"}
	var seen []uint64
	enough := errors.New("enough")
	err := c.WatchEvents(within(t, patient), from, func(m *v1.WatchEventsResponse) error {
		if e := m.GetEvents()[0]; e.GetNode() != "n1" || e.GetIndex() != m.GetIndex() {
			t.Errorf("event %v", e)
		}
		seen = append(seen, m.GetIndex())
		if m.GetIndex() == 20 {
			return enough
		}
		return nil
	})
	if err != enough { //nolint:errorlint // it must come back as it is
		t.Errorf("%v", err)
	}
	var want []uint64
	for i := uint64(5); i <= 20; i++ {
		want = append(want, i)
	}
	if !slices.Equal(seen, want) {
		t.Errorf("saw %v, each once and in order is %v", seen, want)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) < 5 || h.asked[0] != 4 {
		t.Errorf("asked after %v", h.asked)
	}
	if from.GetAfterIndex() != 4 || from.GetEpoch() != 0 {
		t.Errorf("the caller's request was changed: %v", from)
	}
}

func TestAMessageThatWasNotHandledIsSentAgain(t *testing.T) {
	h := &history{epoch: 1, last: 2}
	a := start(t)
	a.events = h.serve(9, nil)
	c := newClient(t, client.Config{Members: []string{a.address}})
	var seen []uint64
	stop := errors.New("stop")
	for range 2 {
		err := c.WatchEvents(within(t, patient), &v1.WatchEventsRequest{}, func(m *v1.WatchEventsResponse) error {
			seen = append(seen, m.GetIndex())
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	if !slices.Equal(seen, []uint64{1, 1}) {
		t.Errorf("saw %v", seen)
	}
}

func TestAWatchEndsWhereGoingOnCannotHelp(t *testing.T) {
	a := start(t)
	for _, code := range []codes.Code{codes.OutOfRange, codes.PermissionDenied, codes.InvalidArgument, codes.Unimplemented} {
		a.mu.Lock()
		a.events = func(*v1.WatchEventsRequest, grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
			return status.Error(code, "no")
		}
		a.mu.Unlock()
		c := newClient(t, client.Config{Members: []string{a.address}})
		err := c.WatchEvents(within(t, patient), &v1.WatchEventsRequest{}, func(*v1.WatchEventsResponse) error { return nil })
		if status.Code(err) != code || !strings.Contains(err.Error(), "watch events") {
			t.Errorf("%s: %v", code, err)
		}
	}
	c := newClient(t, client.Config{Members: []string{dead(t)}})
	err := c.WatchEvents(within(t, 200*time.Millisecond), &v1.WatchEventsRequest{}, func(*v1.WatchEventsResponse) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || client.ExitCode(err) != client.ExitDeadline {
		t.Errorf("nobody there: %v", err)
	}
}
