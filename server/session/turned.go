package session

import (
	"context"
	"sync"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
)

// noteEvery is how long nothing more is noted of a node whose second agent was
// turned away: it asks again and again, and the log must not fill with it.
const noteEvery = time.Minute

// turned remembers of which nodes an agent was turned away lately.
type turned struct {
	mu    sync.Mutex
	noted map[string]time.Time // by node
}

// first says whether nothing was noted of a node for a while, and takes the turn.
func (t *turned) first(node string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.noted[node]; ok && now.Sub(last) < noteEvery {
		return false
	}
	for other, at := range t.noted {
		if now.Sub(at) >= noteEvery {
			delete(t.noted, other)
		}
	}
	if t.noted == nil {
		t.noted = map[string]time.Time{}
	}
	t.noted[node] = now
	return true
}

// forget gives a turn back that came to nothing.
func (t *turned) forget(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.noted, node)
}

// noteTurnedAway puts into the events that a node's second agent was refused.
// What cannot be written is left: the agent comes again.
func (h *Hub) noteTurnedAway(ctx context.Context, hello *v1.Hello, refusal *storev1.Refusal) {
	if refusal.GetReason() != fsm.ReasonNodeInUse || !h.turned.first(hello.GetNode(), time.Now()) {
		return
	}
	_, err := h.cfg.Proposer.Propose(ctx, auth.Caller(ctx).URI(), "", &storev1.Command{Command: &storev1.Command_NoteAgent{
		NoteAgent: &storev1.NoteAgent{Id: hello.GetNode(), Instance: hello.GetInstance(), Reason: refusal.GetMessage()},
	}})
	if err != nil {
		h.turned.forget(hello.GetNode())
		h.cfg.Logger.Debug("that an agent was turned away is not noted", "node", hello.GetNode(), "error", err)
	}
}
