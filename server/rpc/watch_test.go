package rpc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/internal/fixture"
)

// seen collects what a watch sends.
type seen[T any] struct {
	grpc.ServerStream
	ctx context.Context
	got []*T
}

func (s *seen[T]) Context() context.Context { return s.ctx }
func (s *seen[T]) Send(m *T) error          { s.got = append(s.got, m); return nil }

// watching runs a watch until f returns; next gives what it sent meanwhile.
func watching[T any](t *testing.T, watch func(grpc.ServerStreamingServer[T]) error, f func(next func() []*T)) error {
	ctx, cancel := context.WithCancel(t.Context())
	s := &seen[T]{ctx: ctx}
	done := make(chan error, 1)
	go func() { done <- watch(s) }()
	f(func() []*T {
		synctest.Wait()
		got := s.got
		s.got = nil
		return got
	})
	cancel()
	return <-done
}

func label(log *fixture.Log, node, value string) {
	log.Must(&storev1.Command{Command: &storev1.Command_UpdateNode{UpdateNode: &storev1.UpdateNode{Id: node, SetLabels: map[string]string{"rack": value}}}})
}

// sent writes a watch's messages down, ids only.
func sent(messages []*v1.WatchNodesResponse) string {
	var out []string
	for _, m := range messages {
		var ids []string
		for _, n := range m.GetNodes() {
			ids = append(ids, n.GetId())
		}
		for _, id := range m.GetRemoved() {
			ids = append(ids, "-"+id)
		}
		if m.GetReset_() {
			ids = append(ids, "reset")
		}
		out = append(out, strings.Join(ids, " "))
	}
	return strings.Join(out, " | ")
}

func TestAWatchOfNodesGoesOnFromWhatTheWatcherSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := fixture.New(t)
		for _, id := range []string{"a", "b", "c"} {
			log.Register(id, "imap")
		}
		at := log.Machine.State().Index()
		label(log, "b", "1")
		log.Remove("c")
		for _, c := range []struct {
			name         string
			after, epoch uint64
			want         string
		}{
			{"nothing new", log.Machine.State().Index(), 1, ""},
			{"everything", 0, 0, "a b -c"},
			{"what changed", at, 1, "b -c"},
			{"of another epoch", at, 7, "a b -c reset"},
			{"of an unknown future", at + 100, 0, "a b -c reset"},
		} {
			_ = watching(t, func(s grpc.ServerStreamingServer[v1.WatchNodesResponse]) error {
				return (&Nodes{Machine: log.Machine}).WatchNodes(&v1.WatchNodesRequest{AfterIndex: c.after, Epoch: c.epoch}, s)
			}, func(next func() []*v1.WatchNodesResponse) {
				got := next()
				if sent(got) != c.want || len(got) != 1 {
					t.Errorf("%s: %q in %d messages, want %q in one", c.name, sent(got), len(got), c.want)
				}
				label(log, "b", c.name)
				if got := sent(next()); got != "b" {
					t.Errorf("%s, then a change: %q", c.name, got)
				}
			})
		}
	})
}

func TestManyNodesComeInMessagesThatEveryClientTakesAndNoneCountsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := fixture.New(t)
		const all = 2*nodesAtOnce + 1
		for i := range all {
			log.Register(fmt.Sprintf("node-%d", i), "imap")
		}
		_ = watching(t, func(s grpc.ServerStreamingServer[v1.WatchNodesResponse]) error {
			return (&Nodes{Machine: log.Machine}).WatchNodes(&v1.WatchNodesRequest{AfterIndex: 5, Epoch: 9}, s)
		}, func(next func() []*v1.WatchNodesResponse) {
			got := next()
			ids := map[string]bool{}
			for i, m := range got {
				last := i == len(got)-1
				if len(m.GetNodes()) > nodesAtOnce || m.GetReset_() != (i == 0) || (m.GetIndex() == log.Machine.State().Index()) != last {
					t.Errorf("message %d: %d nodes, reset %v, index %d", i, len(m.GetNodes()), m.GetReset_(), m.GetIndex())
				}
				for _, n := range m.GetNodes() {
					if ids[n.GetId()] {
						t.Errorf("%s came twice", n.GetId())
					}
					ids[n.GetId()] = true
				}
			}
			if len(got) != 3 || len(ids) != all {
				t.Errorf("%d nodes in %d messages", len(ids), len(got))
			}
		})
	})
}

func TestAMemberThatLagsOrHasJustStartedMakesAWatcherWaitNotForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := fixture.New(t)
		log.Register("a", "imap")
		behind := log.Follow()
		seenUpTo := log.Machine.State().Index()
		label(log, "a", "1")
		_ = watching(t, func(s grpc.ServerStreamingServer[v1.WatchNodesResponse]) error {
			return (&Nodes{Machine: behind.Machine}).WatchNodes(&v1.WatchNodesRequest{AfterIndex: seenUpTo, Epoch: 1}, s)
		}, func(next func() []*v1.WatchNodesResponse) {
			if got := next(); len(got) != 0 {
				t.Errorf("a member without a state said %v", got)
			}
			behind.CatchUp()
			// Perhaps it was seen half-way, where nothing is new.
			if got := strings.TrimPrefix(sent(next()), " | "); got != "a" {
				t.Errorf("after it caught up: %q", got)
			}
		})
		if err := watching(t, func(s grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
			return (&Events{Machine: fsm.New()}).WatchEvents(&v1.WatchEventsRequest{AfterIndex: seenUpTo, Epoch: 1}, s)
		}, func(next func() []*v1.WatchEventsResponse) {
			if got := next(); len(got) != 0 {
				t.Errorf("events of a member without a state: %v", got)
			}
		}); status.Code(err) == codes.OutOfRange {
			t.Errorf("a member that has just started says that history is another: %v", err)
		}
	})
}

func TestAWatchOfAssignmentsHasEveryChangeOfASetAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := fixture.New(t)
		log.Register("a", "imap")
		log.Register("b", "imap")
		log.Apply("name: two\npools:\n  - {name: imap, services: [imap], count: 2}\n")
		at := log.Machine.State().Index()
		log.Move("a", v1.Action_ACTION_START, "imap", "test", "imap")
		label(log, "a", "later than its set")
		watch := func(r *v1.WatchAssignmentsRequest, f func(next func() []*v1.WatchAssignmentsResponse)) {
			_ = watching(t, func(s grpc.ServerStreamingServer[v1.WatchAssignmentsResponse]) error {
				return (&Assignments{Machine: log.Machine}).WatchAssignments(r, s)
			}, f)
		}
		ids := func(messages []*v1.WatchAssignmentsResponse) (out []string) {
			for _, m := range messages {
				for _, n := range m.GetNodes() {
					out = append(out, n.GetNode())
				}
				for _, id := range m.GetRemoved() {
					out = append(out, "-"+id)
				}
			}
			return out
		}
		watch(&v1.WatchAssignmentsRequest{AfterIndex: at, Epoch: 1}, func(next func() []*v1.WatchAssignmentsResponse) {
			if got := next(); fmt.Sprint(ids(got)) != "[a]" || len(got) != 1 {
				t.Errorf("a set changed, and then a label of the node: %v", got)
			}
			label(log, "b", "1")
			if got := next(); len(got) != 0 {
				t.Errorf("for a label: %v", got)
			}
			log.Obey("a")
			if got := next(); len(got) != 1 || fmt.Sprint(got[0].GetNodes()[0].GetReady()) != "[imap]" {
				t.Errorf("became ready: %v", got)
			}
		})
		watch(&v1.WatchAssignmentsRequest{Node: "b"}, func(next func() []*v1.WatchAssignmentsResponse) {
			if got := ids(next()); fmt.Sprint(got) != "[b]" {
				t.Errorf("of b only: %v", got)
			}
			label(log, "a", "2")
			log.Remove("a")
			if got := next(); len(got) != 0 {
				t.Errorf("of b only, and a changed: %v", got)
			}
			log.Remove("b")
			if got := ids(next()); fmt.Sprint(got) != "[-b]" {
				t.Errorf("b was removed: %v", got)
			}
		})
	})
}

func TestAWatchOfEventsHasEachOnceAndNeverAPartOfAnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := fixture.New(t)
		// One entry with more events than are sent at once.
		states := &storev1.SetNodeStates{}
		const many = eventsAtOnce + 50
		for i := range many {
			id := fmt.Sprintf("n-%d", i+1)
			log.Register(id, "imap")
			states.Changes = append(states.Changes, &storev1.NodeStateChange{Id: id, Instance: fixture.Instance(id), State: v1.NodeState_NODE_STATE_SUSPECT})
		}
		log.Must(&storev1.Command{Command: &storev1.Command_SetNodeStates{SetNodeStates: states}})
		var after uint64
		count := map[string]int{}
		// A watcher that breaks off after each message.
		for range 10 {
			_ = watching(t, func(s grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
				return (&Events{Machine: log.Machine}).WatchEvents(&v1.WatchEventsRequest{AfterIndex: after, Epoch: 1}, s)
			}, func(next func() []*v1.WatchEventsResponse) {
				m := next()[0]
				for _, e := range m.GetEvents() {
					count[e.GetKind()]++
				}
				after = m.GetIndex()
			})
		}
		if count["node.registered"] != many || count["node.suspect"] != many {
			t.Errorf("events: %v, want %d of each", count, many)
		}
		if err := watching(t, func(s grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
			return (&Events{Machine: log.Machine}).WatchEvents(&v1.WatchEventsRequest{AfterIndex: after, Epoch: 9}, s)
		}, func(func() []*v1.WatchEventsResponse) {}); status.Code(err) != codes.OutOfRange {
			t.Errorf("of another epoch: %v", err)
		}
	})
}

func TestListedEventsAreTheNewestThatMatch(t *testing.T) {
	log := fixture.New(t)
	for i := range 20 {
		log.Register(fmt.Sprintf("n-%d", i+1), "imap")
		label(log, "n-1", fmt.Sprint(i))
	}
	list := func(r *v1.ListEventsRequest) *v1.ListEventsResponse {
		r.Stale = true
		answer, err := (&Events{Machine: log.Machine}).ListEvents(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	got := list(&v1.ListEventsRequest{Limit: 2, Kind: "node.reg"}).GetEvents()
	if len(got) != 2 || got[0].GetNode() != "n-19" || got[1].GetNode() != "n-20" {
		t.Errorf("the two newest registrations: %v", got)
	}
	if got := list(&v1.ListEventsRequest{Node: "n-1", Kind: "node.updated"}).GetEvents(); len(got) != 20 {
		t.Errorf("updates of n-1: %d", len(got))
	}
	if got := list(&v1.ListEventsRequest{AfterIndex: log.Machine.State().Index()}).GetEvents(); len(got) != 0 {
		t.Errorf("after the newest: %v", got)
	}
}
