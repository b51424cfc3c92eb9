package session

import (
	"fmt"
	"slices"
	"sync"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Liveness is the leader's view of who is heard, by any member. It is empty
// when a term begins: members tell everything again, and until a node was
// heard its silence counts from the beginning of the term, so that a new
// leader blames no node for its own late arrival.
//
// It goes by the leader's own clock alone: times in records may be those of an
// earlier leader whose clock went ahead.
type Liveness struct {
	heartbeat time.Duration

	mu     sync.Mutex
	began  time.Time
	judged bool
	relays uint64
	nodes  map[string]*hearing
}

// hearing is what is known of one node.
type hearing struct {
	// Its agents; nearly always one.
	voices []*voice
	// The record as it was judged last, and when it was first seen so.
	instance string
	since    time.Time
	noticed  time.Time
}

// voice is one agent.
type voice struct {
	instance string
	at       time.Time
	// sources are the members, or rather their relays, that have a session with
	// it now; none: its session broke.
	sources []string
}

func (h *hearing) voice(instance string) *voice {
	for _, v := range h.voices {
		if v.instance == instance {
			return v
		}
	}
	return nil
}

func (h *hearing) drop(source string) {
	for _, v := range h.voices {
		v.sources = slices.DeleteFunc(v.sources, func(s string) bool { return s == source })
	}
}

// NewLiveness makes the view of a term that begins now.
func NewLiveness(heartbeat time.Duration, now time.Time) *Liveness {
	return &Liveness{heartbeat: heartbeat, began: now, nodes: map[string]*hearing{}}
}

func (l *Liveness) node(id string) *hearing {
	h := l.nodes[id]
	if h == nil {
		h = &hearing{}
		l.nodes[id] = h
	}
	return h
}

// Heard notes that a source, which is a member or one relay of it, heard a
// node's agent at a time.
func (l *Liveness) Heard(source, node, instance string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.node(node)
	v := h.voice(instance)
	if v == nil {
		v = &voice{instance: instance}
		h.voices = append(h.voices, v)
	}
	if at.After(v.at) {
		v.at = at
	}
	if slices.Contains(v.sources, source) {
		return
	}
	h.drop(source) // a source hears one agent of a node
	v.sources = append(v.sources, source)
}

// Ended notes that a node's session with a source is over. It says nothing of a
// session that the agent has with another one.
func (l *Liveness) Ended(source, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.nodes[node]; h != nil {
		h.drop(source)
	}
}

// HeardRecently says that a node's agent was heard within two heartbeats.
func (l *Liveness) HeardRecently(node, instance string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.nodes[node]
	if h == nil {
		return false
	}
	v := h.voice(instance)
	return v != nil && len(v.sources) > 0 && now.Sub(v.at) <= 2*l.heartbeat
}

// Silent lists the nodes that no member has heard for two heartbeats. That a
// session broke is no silence: its agent may have another one in a moment. What
// was never heard in this term is silent once two heartbeats of it have passed.
func (l *Liveness) Silent(nodes []*v1.Node, now time.Time) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	silent := map[string]bool{}
	for _, n := range nodes {
		at := l.began
		if h := l.nodes[n.GetId()]; h != nil {
			if v := h.voice(n.GetInstance()); v != nil {
				at = v.at
			}
		}
		if now.Sub(at) > 2*l.heartbeat {
			silent[n.GetId()] = true
		}
	}
	return silent
}

// Listened says whether the term is old enough that whoever lives was heard in
// it. Before, that a node is not silent yet proves nothing.
func (l *Liveness) Listened(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Sub(l.began) > 2*l.heartbeat
}

// Overslept takes a time away in which the leader itself did not run: it heard
// nobody then, and that is nobody's fault but its own.
func (l *Liveness) Overslept(d time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	forgive := func(t time.Time) time.Time {
		if t = t.Add(d); t.After(now) {
			return now
		}
		return t
	}
	l.began = forgive(l.began)
	for _, h := range l.nodes {
		h.noticed = forgive(h.noticed)
		for _, v := range h.voices {
			v.at = forgive(v.at)
		}
	}
}

// Transitions lists the nodes whose state is another than the records say.
// down is how long a node may be silent, at least three heartbeats.
func (l *Liveness) Transitions(nodes []*v1.Node, down time.Duration, now time.Time) []*storev1.NodeStateChange {
	down = max(down, 3*l.heartbeat)
	l.mu.Lock()
	defer l.mu.Unlock()
	var changes []*storev1.NodeStateChange
	for _, n := range nodes {
		state, reason := l.judge(n, down, now)
		if state != n.GetState() {
			changes = append(changes, &storev1.NodeStateChange{Id: n.GetId(), Instance: n.GetInstance(), State: state, Reason: reason})
		}
	}
	l.judged = true
	return changes
}

// notice keeps when a record was first seen as it is. A node that has just
// registered was heard by a member whose news are still on their way.
func (l *Liveness) notice(h *hearing, n *v1.Node, now time.Time) {
	since := n.GetStateSince().AsTime()
	if h.instance == n.GetInstance() && h.since.Equal(since) {
		return
	}
	h.instance, h.since, h.noticed = n.GetInstance(), since, now
	if !l.judged {
		h.noticed = l.began
	}
	// Another agent speaks for the node now; what is not heard is forgotten.
	h.voices = slices.DeleteFunc(h.voices, func(v *voice) bool { return v.instance != h.instance && len(v.sources) == 0 })
}

func (l *Liveness) judge(n *v1.Node, down time.Duration, now time.Time) (v1.NodeState, string) {
	h := l.node(n.GetId())
	l.notice(h, n, now)
	at, heard, broken := l.began, false, false
	if v := h.voice(n.GetInstance()); v != nil {
		at, heard, broken = v.at, true, len(v.sources) == 0
	}
	was := n.GetState()
	if was == v1.NodeState_NODE_STATE_DOWN && (!heard || broken || now.Sub(at) > 2*l.heartbeat) {
		return was, ""
	}
	if was == v1.NodeState_NODE_STATE_UP && h.noticed.After(at) {
		at, broken = h.noticed, false
	}
	silent := now.Sub(at)
	switch {
	case silent >= down:
		return v1.NodeState_NODE_STATE_DOWN, fmt.Sprintf("no member heard it for %s", silent.Round(time.Millisecond))
	case broken:
		return v1.NodeState_NODE_STATE_SUSPECT, "its session broke"
	case silent > 2*l.heartbeat:
		return v1.NodeState_NODE_STATE_SUSPECT, fmt.Sprintf("two heartbeats missed: silent for %s", silent.Round(time.Millisecond))
	case !heard:
		return was, ""
	default:
		return v1.NodeState_NODE_STATE_UP, "its agent is heard"
	}
}
