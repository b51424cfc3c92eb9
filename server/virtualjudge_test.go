package server

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	v1 "roster/proto/roster/v1"
)

func newRequestID(t interface{ Fatal(...any) }) string {
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// grace is how long an instance counts after it failed.
const grace = 2 * virtualBeat

// judge: no command of Roster takes what really answers below its floor. It is
// asked right before a host does as it was told.
func (v *virtual) judge(h *host, service string) {
	left := 0
	for _, other := range v.hosts {
		if other != h && other.counts(service, grace) {
			left++
		}
	}
	// What was ordered a moment ago was ordered against the floor of then.
	floor := int(v.newest().Floors()[service].GetFloor())
	v.mu.Lock()
	v.ended++
	for _, floors := range v.floors {
		floor = min(floor, floors[service])
	}
	if left < floor {
		v.wrong = append(v.wrong, fmt.Sprintf("%s on %s is ended by command: %d others answer, the floor is %d", service, h.id, left, floor))
	}
	v.mu.Unlock()
	v.tell("%s ends %s, %d others answer", h.id, service, left)
}

// look is what an observer sees, a few times a second.
type look struct {
	v *virtual
	// below is since when a service has had fewer than its floor, ruled since when
	// there has been a leader without a break.
	below map[string]time.Time
	ruled time.Time
	held  map[string][2]uint64 // newest (epoch, generation) that a host held
}

func newLook(v *virtual) *look {
	return &look{v: v, below: map[string]time.Time{}, ruled: time.Now(), held: map[string][2]uint64{}}
}

// mended is how long a floor may be broken while there is a leader and a node
// that could help: down_after and two seconds, and what a crowd that returns is
// waited for, and a start.
const mended = 10*time.Second + 2*time.Second + 10*time.Second + 5*time.Second

func (l *look) once() {
	v, state := l.v, l.v.newest()
	floors := map[string]int{}
	for name, f := range state.Floors() {
		floors[name] = int(f.GetFloor())
	}
	v.mu.Lock()
	v.floors = append(v.floors, floors)
	if keep := int(grace / lookEvery); len(v.floors) > keep {
		v.floors = v.floors[len(v.floors)-keep:]
	}
	v.mu.Unlock()
	if v.leader() == nil {
		l.ruled = time.Time{}
	} else if l.ruled.IsZero() {
		l.ruled = time.Now()
	}
	frozen := len(state.Freezes()) > 0
	for name, floor := range floors {
		n := 0
		for _, h := range v.hosts {
			if h.answers(name) {
				n++
			}
		}
		helper := l.helper(state.Nodes(), name)
		switch since, broken := l.below[name]; {
		case n >= floor || l.ruled.IsZero() || frozen || helper == "":
			delete(l.below, name)
		case !broken:
			l.below[name] = time.Now()
		case time.Since(since) > mended:
			l.wrong("%s: %d answer for %s, its floor is %d, there is a leader, and %s could help", name, n, time.Since(since), floor, helper)
			delete(l.below, name)
		}
	}
	for _, h := range v.hosts {
		if h.stop == nil {
			continue
		}
		epoch, generation := h.agent.Held()
		if was := l.held[h.id]; epoch == 0 {
			continue // it has not read its folder yet
		} else if epoch < was[0] || epoch == was[0] && generation < was[1] {
			l.wrong("%s went back from epoch %d, generation %d to %d, %d", h.id, was[0], was[1], epoch, generation)
		}
		l.held[h.id] = [2]uint64{epoch, generation}
	}
}

func (l *look) wrong(format string, args ...any) {
	l.v.mu.Lock()
	defer l.v.mu.Unlock()
	l.v.wrong = append(l.v.wrong, fmt.Sprintf(format, args...))
}

// helper is a node that is up and does not serve it, and could; empty: none, or
// one is starting it already.
func (l *look) helper(nodes []*v1.Node, service string) string {
	found := ""
	for i, n := range nodes {
		at := slices.IndexFunc(n.GetAssignments(), func(a *v1.Assignment) bool { return a.GetService() == service })
		h := l.v.host(n.GetId())
		switch {
		case at >= 0 && h.stop != nil && time.Since(n.GetAssignments()[at].GetSince().AsTime()) < 5*time.Second:
			return "" // a start is in flight
		case at >= 0, n.GetState() != v1.NodeState_NODE_STATE_UP, n.GetSettings().GetDrain() != nil, len(n.GetTroubles()) > 0, n.GetUnconfirmed():
		default:
			found = nodes[i].GetId()
		}
	}
	return found
}

func (v *virtual) host(id string) *host {
	for _, h := range v.hosts {
		if h.id == id {
			return h
		}
	}
	return nil
}

func (v *virtual) story() string {
	v.mu.Lock()
	told := slices.Clone(v.told)
	v.mu.Unlock()
	state := v.newest()
	for _, n := range state.Nodes() {
		told = append(told, fmt.Sprintf("%s %s generation %d, %d held, drained %t: %v", n.GetId(), n.GetState(), n.GetGeneration(), n.GetReportedGeneration(), n.GetSettings().GetDrain() != nil, n.GetAssignments()))
	}
	leader := "nobody"
	if l := v.leader(); l != nil {
		leader = l.name
	}
	told = append(told, fmt.Sprintf("%s leads, index %d, floors %v, hold %v, order %v", leader, state.Index(), state.Floors(), state.Hold(), state.RolloutOrder()))
	return strings.Join(told, "\n")
}
