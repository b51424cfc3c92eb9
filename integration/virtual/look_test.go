package virtual

import (
	"slices"
	"time"

	"roster/fsm"
	"roster/integration/virtual/judge"
	v1 "roster/proto/roster/v1"
)

const (
	lookEvery = 500 * time.Millisecond
	// startBound is how long a start may be in flight.
	startBound = 65 * time.Second
)

// pass lets time pass, and looks.
func (w *world) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(min(lookEvery, time.Until(end))) {
		w.lookOn()
	}
}

// lookOn writes down what an onlooker sees now.
func (w *world) lookOn() {
	for _, h := range w.hosts {
		h.holds()
	}
	state, leader := w.newest()
	if leader != w.leader {
		w.disturb("%s leads (before: %s)", leader, w.leader)
		w.leader = leader
	}
	if state == nil {
		return
	}
	look := judge.Look{
		Leader: leader != "", Sure: map[string]int{}, Eligible: map[string][]string{}, Starting: map[string]bool{}, Failed: map[string]string{},
	}
	look.Calm = len(state.Freezes()) == 0 && state.Hold() == nil && state.Effective() != nil &&
		!w.approves && state.Effective().GetPolicy().GetRepair() == v1.Automation_AUTOMATION_AUTO
	for _, h := range w.hosts {
		w.lookAt(&look, state, h)
	}
	w.note(judge.Fact{Kind: judge.Looked, Look: look})
}

// newest is what the member knows that knows most, and who leads a majority.
func (w *world) newest() (state *fsm.State, leader string) {
	for _, m := range w.members {
		if m.run == nil {
			continue
		}
		if s := m.run.State(); state == nil || s.Index() > state.Index() {
			state = s
		}
	}
	if m := w.leading(); m != nil {
		leader = m.name
	}
	return state, leader
}

// leading is the member that leads a majority, nil where none does.
func (w *world) leading() *member {
	for _, m := range w.members {
		if m.run == nil {
			continue
		}
		reached := 1
		for _, other := range w.members {
			if other != m && other.run != nil && !w.net.IsCut(m.name, other.name) {
				reached++
			}
		}
		if id, ok := m.run.Leader(); ok && id == m.id && reached > len(w.members)/2 {
			return m
		}
	}
	return nil
}

// connected: a host's agent runs, and reaches every member that the leader reaches.
// It may have its session with another one: then it finds that out in time.
func (w *world) connected(h *host) bool {
	leader := w.leading()
	if h.agent == nil || leader == nil {
		return false
	}
	for _, m := range w.members {
		if m.run != nil && (m == leader || !w.net.IsCut(m.name, leader.name)) && w.net.IsCut(h.id, m.name) {
			return false
		}
	}
	return true
}

// lookAt says what a host can do, and does.
func (w *world) lookAt(look *judge.Look, state *fsm.State, h *host) {
	n, connected := state.Node(h.id), w.connected(h)
	if n == nil || h.agent == nil {
		return
	}
	now := time.Now()
	wanted, lends, borrows := map[string]*v1.Assignment{}, true, false
	for _, a := range n.GetAssignments() {
		wanted[a.GetService()] = a
		borrows = borrows || a.GetBorrowed() || a.GetWanted() == v1.Wanted_WANTED_DRAINING
		for _, p := range state.Effective().GetPools() {
			lends = lends && (p.GetName() != a.GetPool() || p.Lend == nil || p.GetLend())
		}
	}
	for _, name := range services {
		s, a := h.look(name), wanted[name]
		if a == nil {
			if connected && n.GetState() == v1.NodeState_NODE_STATE_UP && !s.broken && !s.mute && !s.ignores && !s.running && !n.GetSettings().GetCordoned() && n.GetSettings().GetDrain() == nil &&
				n.GetFrozen() == "" && n.GetAhead() == nil && !n.GetUnconfirmed() && lends && !borrows && trouble(n, name) == "" {
				look.Eligible[name] = append(look.Eligible[name], h.id)
			}
			if why := trouble(n, name); why != "" {
				look.Failed[name] = why
			}
			continue
		}
		if a.GetWanted() != v1.Wanted_WANTED_SERVING {
			continue
		}
		since := a.GetSince().AsTime()
		fresh := s.answered.Before(since)
		switch {
		case s.answers && connected:
			look.Sure[name]++
		case s.answers:
		case fresh && now.Sub(since) < startBound, s.running && !s.hung && now.Sub(s.started) < startBound: // the second: its own agent restarts it
			look.Starting[name] = true
		case fresh:
			i := slices.IndexFunc(n.GetReports(), func(r *v1.ServiceReport) bool { return r.GetService() == name })
			if i >= 0 && n.GetReports()[i].GetDetail() != "" {
				look.Failed[name] = n.GetReports()[i].GetDetail()
			}
		}
	}
}

func trouble(n *v1.Node, service string) string {
	for _, t := range n.GetTroubles() {
		if t.GetService() == service {
			return t.GetReason() + " "
		}
	}
	return ""
}
