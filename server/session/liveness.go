package session

import (
	"fmt"
	"sync"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Liveness is the leader's view of who is heard, by any member. It is empty
// when a term begins: members tell everything again, and until a node was
// heard its silence counts from the beginning of the term, so that a new
// leader blames no node for its own late arrival.
type Liveness struct {
	heartbeat time.Duration

	mu    sync.Mutex
	began time.Time
	nodes map[string]lastHeard
}

type lastHeard struct {
	instance string
	at       time.Time
	member   string // that heard it
	broken   bool   // its session with that member ended
}

// NewLiveness makes the view of a term that begins now.
func NewLiveness(heartbeat time.Duration, now time.Time) *Liveness {
	return &Liveness{heartbeat: heartbeat, began: now, nodes: map[string]lastHeard{}}
}

// Heard notes that member heard a node's agent at a time.
func (l *Liveness) Heard(member, node, instance string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.nodes[node]; ok && at.Before(known.at) {
		return
	}
	l.nodes[node] = lastHeard{instance: instance, at: at, member: member}
}

// Ended notes that a node's session with member is over. It says nothing of a
// session that the agent opened with another member since.
func (l *Liveness) Ended(member, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.nodes[node]; ok && known.member == member {
		known.broken = true
		l.nodes[node] = known
	}
}

// HeardRecently says that a node was heard within two heartbeats.
func (l *Liveness) HeardRecently(node string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.nodes[node]
	return ok && !known.broken && now.Sub(known.at) <= 2*l.heartbeat
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
	return changes
}

func (l *Liveness) judge(n *v1.Node, down time.Duration, now time.Time) (v1.NodeState, string) {
	known, ok := l.nodes[n.GetId()]
	if !ok || known.instance != n.GetInstance() {
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			return v1.NodeState_NODE_STATE_DOWN, ""
		}
		known = lastHeard{at: l.began}
	}
	// A node that just registered was heard by a member whose news are still on
	// their way.
	if since := n.GetStateSince().AsTime(); n.GetState() == v1.NodeState_NODE_STATE_UP && since.After(known.at) {
		known = lastHeard{at: since}
	}
	silent := now.Sub(known.at)
	switch {
	case silent >= down:
		return v1.NodeState_NODE_STATE_DOWN, fmt.Sprintf("no member heard it for %s", silent.Round(time.Millisecond))
	case n.GetState() == v1.NodeState_NODE_STATE_DOWN && known.broken:
		return v1.NodeState_NODE_STATE_DOWN, ""
	case known.broken:
		return v1.NodeState_NODE_STATE_SUSPECT, "its session broke"
	case silent > 2*l.heartbeat:
		if n.GetState() == v1.NodeState_NODE_STATE_DOWN {
			return v1.NodeState_NODE_STATE_DOWN, ""
		}
		return v1.NodeState_NODE_STATE_SUSPECT, fmt.Sprintf("two heartbeats missed: silent for %s", silent.Round(time.Millisecond))
	case !ok:
		return n.GetState(), ""
	default:
		return v1.NodeState_NODE_STATE_UP, "its agent is heard"
	}
}
