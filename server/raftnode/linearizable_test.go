package raftnode

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	storev1 "roster/proto/roster/store/v1"
)

// registerOp is a write of a value, or a read.
type registerOp struct {
	write bool
	value string
}

// register is what the history has to look like: one value, "" at first.
var register = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		op, _ := input.(registerOp)
		if op.write {
			return true, op.value
		}
		return output == state, state
	},
	DescribeOperation: func(input, output any) string {
		if op, _ := input.(registerOp); op.write {
			return "write " + op.value
		}
		return fmt.Sprintf("read %v", output)
	},
}

// history is what clients did. An operation whose outcome is not known never
// returned: it may have its effect at any time after it was called.
type history struct {
	mu    sync.Mutex
	begun time.Time
	ops   []porcupine.Operation
}

func (h *history) do(client int, op registerOp, f func() (output any, err error)) {
	call := time.Since(h.begun).Nanoseconds()
	output, err := f()
	done := time.Since(h.begun).Nanoseconds()
	switch {
	case err == nil:
	case op.write && errors.Is(err, ErrUnknownOutcome):
		done = int64(1) << 60
	default:
		return // a read that told nothing, a write that was certainly not done
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: op, Output: output, Call: call, Return: done})
}

// nodes are the running nodes of a cluster whose members come and go.
type nodes struct {
	mu   sync.Mutex
	live map[string]*testMember
}

func (n *nodes) some(random *rand.Rand) *testMember {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*testMember, 0, len(n.live))
	for _, m := range n.live {
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil
	}
	copied := *all[random.IntN(len(all))]
	return &copied
}

func TestReadsAndWritesAreLinearizableWhileLeadersDie(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	running := &nodes{live: map[string]*testMember{}}
	for _, m := range c.members {
		running.live[m.identity.ID] = m
	}
	h := &history{begun: time.Now()}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var acknowledged atomic.Int64
	for client := range 6 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 1))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				m := running.some(random)
				reader := running.some(random)
				if m == nil || reader == nil {
					continue
				}
				ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
				if random.IntN(2) == 0 {
					value := fmt.Sprintf("%d.%d", client, i)
					h.write(ctx, client, m.node, value, &acknowledged)
				} else {
					h.read(ctx, client, m.node, reader)
				}
				cancel()
			}
		})
	}
	for range 5 {
		want := acknowledged.Load() + 60
		eventually(t, "writes go on", func() bool { return acknowledged.Load() >= want })
		leader := c.leader()
		running.mu.Lock()
		delete(running.live, leader.identity.ID)
		running.mu.Unlock()
		leader.kill()
		c.leader()
		want = acknowledged.Load() + 30
		eventually(t, "writes go on without it", func() bool { return acknowledged.Load() >= want })
		leader.start()
		running.mu.Lock()
		running.live[leader.identity.ID] = leader
		running.mu.Unlock()
	}
	close(stop)
	clients.Wait()
	result, _ := porcupine.CheckOperationsVerbose(register, h.ops, time.Minute)
	t.Logf("%d operations, %d writes acknowledged: %s", len(h.ops), acknowledged.Load(), result)
	if result != porcupine.Ok {
		t.Errorf("the history is not linearizable: %s", result)
	}
}

func (h *history) write(ctx context.Context, client int, node *Node, value string, acknowledged *atomic.Int64) {
	h.do(client, registerOp{write: true, value: value}, func() (any, error) {
		_, err := node.Propose(ctx, []*storev1.Envelope{put("register", value)})
		if err == nil {
			acknowledged.Add(1)
		}
		return nil, err
	})
}

func (h *history) read(ctx context.Context, client int, leader *Node, reader *testMember) {
	h.do(client, registerOp{}, func() (any, error) {
		index, _, err := leader.ReadIndex(ctx)
		if err != nil {
			return nil, err
		}
		if err := reader.node.WaitApplied(ctx, index); err != nil {
			return nil, err
		}
		return get(reader.machine, "register"), nil
	})
}
