package follow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"roster/cmd/internal/exit"
	"roster/cmd/internal/follow"
	v1 "roster/proto/roster/v1"
)

// drained is a node that is up, with these assignments and reports.
func drained(change func(*v1.Node)) *v1.Node {
	n := &v1.Node{
		Id: "node-3", State: v1.NodeState_NODE_STATE_UP, Generation: 8, ReportedGeneration: 8,
		Settings: &v1.NodeSettings{Drain: &v1.NodeDrain{}},
		Reports:  []*v1.ServiceReport{{Service: "imap", State: v1.ServiceState_SERVICE_STATE_STOPPED}},
	}
	if change != nil {
		change(n)
	}
	return n
}

func serving(n *v1.Node) {
	n.Assignments = []*v1.Assignment{{Service: "imap", Wanted: v1.Wanted_WANTED_SERVING}}
	n.Reports[0].State = v1.ServiceState_SERVICE_STATE_SERVING
}

// nodes answers with each in turn, and stays with the last.
func nodes(reads *int, all ...*v1.Node) follow.ReadNode {
	return func(context.Context) (*v1.Node, *v1.Status, error) {
		*reads++
		return proto.CloneOf(all[min(*reads, len(all))-1]), &v1.Status{}, nil
	}
}

func unseen(*v1.Status, []string, error) {}

func TestANodeIsDrainedOnceNothingRunsThereAnyMore(t *testing.T) {
	for name, last := range map[string]func(*v1.Node){
		"while a service is assigned": serving,
		"while one ends": func(n *v1.Node) {
			n.Reports[0].State = v1.ServiceState_SERVICE_STATE_DRAINING
		},
		"while its agent has not heard": func(n *v1.Node) { n.ReportedGeneration = 7 },
		"while one that was just taken away is still seen serving": func(n *v1.Node) {
			n.Reports[0].State = v1.ServiceState_SERVICE_STATE_SERVING
		},
	} {
		t.Run("not "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reads := 0
				_, err := follow.Drained(t.Context(), "node-3", nodes(&reads, drained(serving), drained(last), drained(last), drained(nil)), unseen)
				if err != nil || reads != 4 {
					t.Errorf("it ended with %v after %d of 4 reads", err, reads)
				}
			})
		})
	}
}

func TestADownNodeIsDrainedByItsRecordAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		down := drained(func(n *v1.Node) {
			n.State, n.ReportedGeneration = v1.NodeState_NODE_STATE_DOWN, 7
			n.Reports[0].State = v1.ServiceState_SERVICE_STATE_SERVING
		})
		if _, err := follow.Drained(t.Context(), "node-3", nodes(&reads, down), unseen); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatRosterLeavesAloneDoesNotHoldADrainUpForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		foreign := drained(func(n *v1.Node) { n.Reports[0].State = v1.ServiceState_SERVICE_STATE_SERVING })
		node, err := follow.Drained(t.Context(), "node-3", nodes(&reads, foreign), unseen)
		if err != nil || len(node.GetReports()) != 1 {
			t.Errorf("it ended with %v, %v", node, err)
		}
	})
}

func TestALostLeaderDoesNotEndTheWaitForADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, troubles := 0, 0
		_, err := follow.Drained(t.Context(), "node-3", func(context.Context) (*v1.Node, *v1.Status, error) {
			if reads++; reads < 3 {
				return nil, nil, status.Error(codes.Unavailable, "no leader")
			}
			return drained(nil), nil, nil
		}, func(_ *v1.Status, _ []string, trouble error) {
			if trouble != nil {
				troubles++
			}
		})
		if err != nil || troubles != 2 {
			t.Errorf("it ended with %v, trouble was shown %d times", err, troubles)
		}
	})
}

func TestWhoStopsWaitingHearsThatTheDrainGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		late, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := follow.Drained(late, "node-3", nodes(&reads, drained(serving)), unseen)
		if exit.Code(err) != exit.Deadline || !strings.Contains(err.Error(), "imap still serves") || !strings.Contains(err.Error(), "the drain goes on") {
			t.Errorf("a deadline ended it with %d, %v", exit.Code(err), err)
		}
		stopped, stop := context.WithCancel(t.Context())
		_, err = follow.Drained(stopped, "node-3", nodes(&reads, drained(serving)), func(*v1.Status, []string, error) { stop() })
		if !errors.Is(err, follow.ErrLeft) || exit.Code(err) != exit.Failed || exit.Sentence(err) == "stopped" {
			t.Errorf("Ctrl-C ended it with %d, %v", exit.Code(err), err)
		}
	})
}

func TestADrainThatSomebodyCalledOffIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		_, err := follow.Drained(t.Context(), "node-3", nodes(&reads, drained(serving), drained(func(n *v1.Node) { n.Settings.Drain = nil })), unseen)
		if !errors.Is(err, follow.ErrUndrained) {
			t.Errorf("it ended with %v", err)
		}
	})
}
