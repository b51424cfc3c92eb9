package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	peerv1 "roster/proto/roster/peer/v1"
	storev1 "roster/proto/roster/store/v1"

	"roster/client"
	"roster/fsm"
)

// farLeader is another member; each call waits for a word of the test.
type farLeader struct {
	peerv1.PeerServiceClient
	words chan error

	mu    sync.Mutex
	loads [][]string // request ids of each call
}

func (f *farLeader) Propose(ctx context.Context, r *peerv1.ProposeRequest, _ ...grpc.CallOption) (*peerv1.ProposeResponse, error) {
	var ids []string
	answer := &peerv1.ProposeResponse{}
	for _, e := range r.GetEnvelopes() {
		ids = append(ids, e.GetRequestId())
		answer.Results = append(answer.Results, &storev1.Result{Refusal: &storev1.Refusal{Message: e.GetRequestId()}})
	}
	f.mu.Lock()
	f.loads = append(f.loads, ids)
	f.mu.Unlock()
	err := <-f.words
	if !errors.Is(err, errNotSent) {
		client.Sent{}.HandleRPC(ctx, &stats.OutHeader{})
	}
	if slices.Contains(ids, "odd") {
		err = status.Error(codes.InvalidArgument, "odd")
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

var errNotSent = status.Error(codes.Unavailable, "connection refused")

// sender is one caller.
type sender struct {
	results []*storev1.Result
	err     error
	sent    bool
}

func post(ctx context.Context, group *sync.WaitGroup, c *courier, ids ...string) *sender {
	s := &sender{}
	r := &peerv1.ProposeRequest{}
	for _, id := range ids {
		r.Envelopes = append(r.Envelopes, &storev1.Envelope{RequestId: id})
	}
	attempt, sent := client.Attempt(ctx)
	group.Go(func() {
		answer, err := c.Propose(attempt, r)
		s.results, s.err, s.sent = answer.GetResults(), err, sent()
	})
	synctest.Wait()
	return s
}

// busy is a courier whose journeys are all under way.
func busy(t *testing.T, group *sync.WaitGroup) (*farLeader, *courier) {
	leader := &farLeader{words: make(chan error)}
	c := &courier{PeerServiceClient: leader}
	for i := range journeys {
		post(t.Context(), group, c, fmt.Sprint("first ", i))
	}
	if len(leader.loads) != journeys {
		t.Fatalf("%d of %d calls are under way: somebody waits for a load to fill", len(leader.loads), journeys)
	}
	return leader, c
}

func TestProposalsThatWaitTravelTogetherAndEachHasItsOwnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		leader, c := busy(t, &group)
		var senders []*sender
		for i := range 50 {
			senders = append(senders, post(t.Context(), &group, c, fmt.Sprint(i, "a"), fmt.Sprint(i, "b")))
		}
		close(leader.words)
		group.Wait()
		for i, s := range senders {
			if s.err != nil || len(s.results) != 2 || !s.sent ||
				s.results[0].GetRefusal().GetMessage() != fmt.Sprint(i, "a") || s.results[1].GetRefusal().GetMessage() != fmt.Sprint(i, "b") {
				t.Errorf("sender %d: %v, %v", i, s.results, s.err)
			}
		}
		if len(leader.loads) != journeys+1 || len(leader.loads[journeys]) != 100 {
			t.Errorf("%d calls for %d+50 callers", len(leader.loads), journeys)
		}
	})
}

func TestALoadHoldsNoMoreThanAnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		leader, c := busy(t, &group)
		large := make([]string, fsm.MaxBatch)
		post(t.Context(), &group, c, "small")
		post(t.Context(), &group, c, large...)
		post(t.Context(), &group, c, "after")
		close(leader.words)
		group.Wait()
		var sizes []int
		for _, load := range leader.loads[journeys:] {
			sizes = append(sizes, len(load))
		}
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{1, 1, fsm.MaxBatch}) {
			t.Errorf("loads of %v", sizes)
		}
	})
}

func TestWhoGivesUpBeforeItLeavesWasNotSentAndIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		leader, c := busy(t, &group)
		ctx, cancel := context.WithCancel(t.Context())
		quitter := post(ctx, &group, c, "quitter")
		stays := post(t.Context(), &group, c, "stays")
		cancel()
		synctest.Wait()
		if quitter.sent || status.Code(quitter.err) != codes.Canceled {
			t.Errorf("sent %t, %v", quitter.sent, quitter.err)
		}
		close(leader.words)
		group.Wait()
		for _, load := range leader.loads {
			if slices.Contains(load, "quitter") {
				t.Error("it was sent after it was said that it was not")
			}
		}
		if stays.err != nil {
			t.Error(stays.err)
		}
	})
}

func TestWhoGivesUpOnTheWayMayHaveBeenSentAndTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		leader, c := busy(t, &group)
		ctx, cancel := context.WithCancel(t.Context())
		quitter := post(ctx, &group, c, "quitter")
		stays := post(t.Context(), &group, c, "stays")
		leader.words <- nil // a journey ends, the next one takes both
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !quitter.sent || status.Code(quitter.err) != codes.Canceled {
			t.Errorf("sent %t, %v", quitter.sent, quitter.err)
		}
		close(leader.words)
		group.Wait()
		if stays.err != nil || len(stays.results) != 1 {
			t.Errorf("%v, %v", stays.results, stays.err)
		}
	})
}

func TestALoadThatBreaksOffSaysToEachWhetherItWasSent(t *testing.T) {
	for _, c := range []struct {
		word error
		sent bool
	}{{errNotSent, false}, {status.Error(codes.Unavailable, "transport is closing"), true}} {
		synctest.Test(t, func(t *testing.T) {
			var group sync.WaitGroup
			leader, courier := busy(t, &group)
			one, two := post(t.Context(), &group, courier, "one"), post(t.Context(), &group, courier, "two")
			leader.words <- nil
			synctest.Wait()
			for range journeys {
				leader.words <- c.word
			}
			group.Wait()
			for _, s := range []*sender{one, two} {
				if !errors.Is(s.err, c.word) || s.sent != c.sent {
					t.Errorf("%v: sent %t, %v", c.word, s.sent, s.err)
				}
			}
		})
	}
}

func TestOneThatIsRefusedHarmsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		leader, c := busy(t, &group)
		one, odd, two := post(t.Context(), &group, c, "one"), post(t.Context(), &group, c, "odd"), post(t.Context(), &group, c, "two")
		close(leader.words)
		group.Wait()
		if one.err != nil || two.err != nil || status.Code(odd.err) != codes.InvalidArgument {
			t.Errorf("%v, %v, %v", one.err, odd.err, two.err)
		}
	})
}
