package rebalance

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/topology"
	"roster/server/internal/fixture"
	"roster/server/session"
)

// world is a cluster in virtual time: the loop on the real state machine, and
// hosts that hold sets, start and drain, report, and fail. It judges by what the
// hosts really serve, whatever the records say.
type world struct {
	*fixture.Log
	t     *testing.T
	view  *session.Liveness
	hosts map[string]*host
	// faulted: a host failed in this step; then fewer may answer.
	faulted bool
	seen    int // commands that were looked at
	// ahead is what the log's time is ahead of this process's clock.
	ahead   time.Duration
	history []happened
}

type happened struct {
	at   time.Time
	move *v1.Move
}

// host is a mail host and its agent.
type host struct {
	id string
	// dead: the host is gone. cut: it serves on, and no member hears it.
	dead, cut bool
	// What the agent holds on disk.
	generation uint64
	held       []*v1.Assignment
	services   map[string]*service
	// Services that never become ready here.
	broken map[string]bool
}

type service struct {
	state v1.ServiceState
	since time.Time
}

const (
	step     = 100 * time.Millisecond
	longStep = time.Second // once nothing is to be seen but that time passes
	startsIn = 500 * time.Millisecond
	drainsIn = time.Second
)

// inWorld runs a test in a bubble, on the ten nodes of the examples.
func inWorld(t *testing.T, file string, f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{Log: fixture.New(t), t: t, view: session.NewLiveness(2*time.Second, time.Now()), hosts: map[string]*host{}}
		nodes, err := topology.ParseNodes("nodes.yaml", topology.ExampleNodes())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			claims := fixture.Claims("imap", "jmap", "webdav", "smtp-inbound", "smtp-outbound")
			claims.Region, claims.Zone, claims.Labels = n.GetClaims().GetRegion(), n.GetClaims().GetZone(), n.GetClaims().GetLabels()
			w.RegisterAs(n.GetId(), fixture.Instance(n.GetId()), claims)
			w.hosts[n.GetId()] = &host{id: n.GetId(), services: map[string]*service{}, broken: map[string]bool{}}
		}
		w.Apply(file)
		w.run(30 * time.Second)
		w.quiet("the first placement is done", 10*time.Second)
		f(w)
	})
}

// inEachLead runs a test twice: under one leader, and with another one taking
// over wherever the test calls change.
func inEachLead(t *testing.T, file string, f func(w *world, change func())) {
	t.Helper()
	t.Run("one leader", func(t *testing.T) { inWorld(t, file, func(w *world) { f(w, func() {}) }) })
	t.Run("the leader changes in the middle", func(t *testing.T) {
		inWorld(t, file, func(w *world) { f(w, w.newLeader) })
	})
}

func example(t *testing.T, name string) string {
	t.Helper()
	src, ok := topology.Example(name)
	if !ok {
		t.Fatalf("there is no example %s", name)
	}
	return string(src)
}

// newLeader lets the next run be another member's, which knows nothing yet.
func (w *world) newLeader() { w.view = session.NewLiveness(2*time.Second, time.Now()) }

// run lets a leader work for so long.
func (w *world) run(d time.Duration) { w.runUntil(d, func() bool { return false }) }

// runUntil lets a leader work until something holds, for so long at most; it
// returns how long it took, and whether it came.
func (w *world) runUntil(d time.Duration, done func() bool) (time.Duration, bool) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = New(Config{Machine: w.Machine, Proposer: w, Caller: "roster://test/member/m1", Now: w.now}).Run(ctx, w.view)
	}()
	defer func() { cancel(); <-ended; w.record() }()
	began := time.Now()
	for end, pause := began.Add(d), step; time.Now().Before(end); time.Sleep(pause) {
		if time.Since(began) > time.Minute {
			pause = longStep
		}
		synctest.Wait()
		before := w.answering()
		w.live()
		w.judge(before)
		synctest.Wait() // for what the leader makes of the reports
		w.record()
		if done() {
			return time.Since(began), true
		}
	}
	return d, false
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead) }

// must is runUntil for what has to come.
func (w *world) must(what string, d time.Duration, done func() bool) {
	w.t.Helper()
	took, ok := w.runUntil(d, done)
	if !ok {
		w.t.Fatalf("not within %s: %s\n%s", d, what, w.story())
	}
	w.t.Logf("%s after %s", what, took)
}

// quiet lets a leader work, and wants no move.
func (w *world) quiet(why string, d time.Duration) {
	w.t.Helper()
	before := len(w.history)
	w.run(d)
	if moved := w.history[before:]; len(moved) > 0 {
		w.t.Fatalf("%s, and yet:\n%s\nstory:\n%s", why, tell(moved), w.story())
	}
}

// live lets every host do what it does in a step.
func (w *world) live() {
	for _, id := range slices.Sorted(maps.Keys(w.hosts)) {
		h := w.hosts[id]
		if h.dead {
			continue
		}
		n := w.Machine.State().Node(id)
		if !h.cut {
			w.view.Heard("m1", id, n.GetInstance(), time.Now())
			if h.generation < n.GetGeneration() {
				h.generation, h.held = n.GetGeneration(), n.GetAssignments()
			}
		}
		h.act()
		if reports := h.reports(); !h.cut && !fsm.Reported(n, h.generation, reports) {
			w.Must(&storev1.Command{Command: &storev1.Command_ReportNode{ReportNode: &storev1.ReportNode{
				Id: id, Instance: n.GetInstance(), ReportedGeneration: h.generation, Reports: reports,
			}}})
		}
	}
}

// record notes what the leader has moved.
func (w *world) record() {
	for _, c := range w.Commands()[w.seen:] {
		w.seen++
		for _, part := range c.GetMoveAssignments().GetNodes() {
			for _, m := range part.GetMoves() {
				w.history = append(w.history, happened{time.Now(), m})
			}
		}
	}
}

// act makes the held set true.
func (h *host) act() {
	now := time.Now()
	wanted := map[string]v1.Wanted{}
	for _, a := range h.held {
		wanted[a.GetService()] = a.GetWanted()
	}
	for name := range h.services {
		if wanted[name] == v1.Wanted_WANTED_UNSPECIFIED {
			delete(h.services, name)
		}
	}
	for name, want := range wanted {
		s := h.services[name]
		if s == nil {
			s = &service{state: v1.ServiceState_SERVICE_STATE_STOPPED}
			h.services[name] = s
		}
		become := func(state v1.ServiceState) {
			if s.state != state {
				s.state, s.since = state, now
			}
		}
		switch {
		case want == v1.Wanted_WANTED_DRAINING && s.state == v1.ServiceState_SERVICE_STATE_DRAINING:
			if now.Sub(s.since) >= drainsIn {
				become(v1.ServiceState_SERVICE_STATE_DRAINED)
			}
		case want == v1.Wanted_WANTED_DRAINING && s.state != v1.ServiceState_SERVICE_STATE_DRAINED:
			become(v1.ServiceState_SERVICE_STATE_DRAINING)
		case want == v1.Wanted_WANTED_DRAINING:
		case s.state == v1.ServiceState_SERVICE_STATE_STARTING:
			if now.Sub(s.since) >= startsIn && !h.broken[name] {
				become(v1.ServiceState_SERVICE_STATE_SERVING)
			}
		case h.broken[name]:
			become(v1.ServiceState_SERVICE_STATE_FAILING)
		case s.state == v1.ServiceState_SERVICE_STATE_DRAINING, s.state == v1.ServiceState_SERVICE_STATE_DRAINED:
			become(v1.ServiceState_SERVICE_STATE_SERVING)
		case s.state != v1.ServiceState_SERVICE_STATE_SERVING:
			become(v1.ServiceState_SERVICE_STATE_STARTING)
		}
	}
}

func (h *host) reports() (reports []*v1.ServiceReport) {
	for name, s := range h.services {
		reports = append(reports, &v1.ServiceReport{Service: name, State: s.state, Since: timestamppb.New(s.since)})
	}
	slices.SortFunc(reports, func(a, b *v1.ServiceReport) int { return cmp.Compare(a.GetService(), b.GetService()) })
	return reports
}

// kill takes hosts away, with everything on them.
func (w *world) kill(ids ...string) {
	for _, id := range ids {
		w.hosts[id].dead, w.hosts[id].services, w.faulted = true, map[string]*service{}, true
	}
}

// cut lets no member hear hosts, which serve on.
func (w *world) cut(ids ...string) {
	for _, id := range ids {
		w.hosts[id].cut = true
	}
}

// restore brings hosts back: those that were dead start what they held.
func (w *world) restore(ids ...string) {
	for _, id := range ids {
		w.hosts[id].dead, w.hosts[id].cut = false, false
	}
}

func (w *world) all() []string { return slices.Sorted(maps.Keys(w.hosts)) }

// answering counts what a client would find, by service.
func (w *world) answering() map[string]int {
	found := map[string]int{}
	for _, h := range w.hosts {
		for name, s := range h.services {
			if s.state == v1.ServiceState_SERVICE_STATE_SERVING {
				found[name]++
			}
		}
	}
	return found
}

// judge: no command takes what really answers below its floor.
func (w *world) judge(before map[string]int) {
	w.t.Helper()
	faulted := w.faulted
	w.faulted = false
	if faulted {
		return
	}
	after, floors := w.answering(), w.Machine.State().Floors()
	for name, n := range before {
		if left := after[name]; left < n && left < int(floors[name].GetFloor()) {
			w.t.Fatalf("a command took %s from %d answering to %d, its floor is %d\n%s", name, n, left, floors[name].GetFloor(), w.story())
		}
	}
}

// whole: every floor is kept by what really answers.
func (w *world) whole() bool {
	found := w.answering()
	for name, f := range w.Machine.State().Floors() {
		if found[name] < int(f.GetFloor()) {
			return false
		}
	}
	return true
}

// borrowed lists what stands in, as node:service.
func (w *world) borrowed() (loans []string) {
	for _, n := range w.Machine.State().Nodes() {
		for _, a := range n.GetAssignments() {
			if a.GetBorrowed() {
				loans = append(loans, n.GetId()+":"+a.GetService())
			}
		}
	}
	return loans
}

// serving lists the nodes that are wanted to serve, sorted.
func (w *world) serving(name string) (ids []string) {
	for _, n := range w.Machine.State().Nodes() {
		for _, a := range n.GetAssignments() {
			if a.GetService() == name && a.GetWanted() == v1.Wanted_WANTED_SERVING {
				ids = append(ids, n.GetId())
			}
		}
	}
	return ids
}

// sets is who is wanted to serve what, for comparing.
func (w *world) sets() string {
	var b strings.Builder
	for _, n := range w.Machine.State().Nodes() {
		for _, a := range n.GetAssignments() {
			fmt.Fprintf(&b, "%s %s %s %s borrowed=%t\n", n.GetId(), a.GetService(), a.GetPool(), a.GetWanted(), a.GetBorrowed())
		}
	}
	return b.String()
}

// count is how many moves of a kind there were since a point in the history.
func (w *world) count(since int, action v1.Action, match func(*v1.Move) bool) (n int) {
	for _, h := range w.history[since:] {
		if h.move.GetAction() == action && (match == nil || match(h.move)) {
			n++
		}
	}
	return n
}

func (w *world) state(id string) v1.NodeState { return w.Machine.State().Node(id).GetState() }

func tell(moves []happened) string {
	var b strings.Builder
	for _, h := range moves {
		fmt.Fprintf(&b, "%s %s %s on %s for %q borrowed=%t %s: %s\n", h.at.Format(time.TimeOnly), actionWord(h.move.GetAction()), h.move.GetService(),
			h.move.GetNode(), h.move.GetPool(), h.move.GetBorrowed(), h.move.GetCause(), h.move.GetReason())
	}
	return b.String()
}

func (w *world) story() string {
	var b strings.Builder
	b.WriteString(tell(w.history))
	for _, n := range w.Machine.State().Nodes() {
		fmt.Fprintf(&b, "%s %s\n", n.GetId(), n.GetState())
	}
	fmt.Fprintf(&b, "answering %v, floors %v, hold %v\n%s", w.answering(), w.Machine.State().Floors(), w.Machine.State().Hold(), w.sets())
	return b.String()
}
