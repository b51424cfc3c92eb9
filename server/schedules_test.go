package server

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

const lookEvery = 200 * time.Millisecond

// Real Raft, real sessions, real agents in virtual time, under random schedules
// of deaths, cuts, drains and changes of topology. ROSTER_SCHEDULES is how many,
// ROSTER_SEED the first one's seed.
func TestRandomSchedulesBreakNoFloorAndLoseNoWrite(t *testing.T) {
	n, first := 3, uint64(1)
	if v, err := strconv.Atoi(os.Getenv("ROSTER_SCHEDULES")); err == nil {
		n, first = v, uint64(time.Now().Unix()) //nolint:gosec // a seed
	}
	if v, err := strconv.ParseUint(os.Getenv("ROSTER_SEED"), 10, 64); err == nil {
		first = v
	}
	began := time.Now()
	for i := range n {
		seed := first + uint64(i) //nolint:gosec // small
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			dir := t.TempDir() // outside of the bubble: its removal is not
			synctest.Test(t, func(t *testing.T) { runSchedule(t, dir, seed) })
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("%d schedules from seed %d on, in %s", n, first, time.Since(began).Round(time.Millisecond))
}

var virtualTopologies = []string{
	"name: everything\npools:\n  - {name: all, services: [imap, jmap, webdav], all: true}\n",
	"name: apart\npools:\n  - {name: imap, services: [imap], count: 2}\n  - {name: jmap, services: [jmap], count: 2}\n  - {name: webdav, services: [webdav], count: 2}\n",
	"name: spare\npools:\n  - {name: imap, services: [imap], count: 3}\n  - {name: web, services: [jmap, webdav], count: 2}\nservices:\n  - {name: imap, floor: 2}\n",
}

const virtualPolicy = "policy: {down_after: 10s, replace_after: 40s, return_after: 15s, max_moving: 50%}\n"

func runSchedule(t *testing.T, dir string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // it must be repeatable
	v := newVirtual(t, dir, 6)
	defer v.end()
	s := &schedule{virtual: v, r: r}
	for _, h := range v.hosts {
		h.starts = time.Duration(300+r.IntN(6000)) * time.Millisecond
	}
	s.apply(r.IntN(len(virtualTopologies)))
	l := newLook(v)
	s.pass(l, 20*time.Second)
	for range 12 + r.IntN(8) {
		s.event()
		s.pass(l, time.Duration(500+r.IntN(9000))*time.Millisecond)
	}
	s.mend()
	s.settle(l)
	v.mu.Lock()
	wrong := v.wrong
	v.mu.Unlock()
	if len(wrong) > 0 {
		t.Fatalf("seed %d:\n%v\n%s", seed, wrong, v.story())
	}
}

type schedule struct {
	*virtual
	r       *rand.Rand
	written map[string]string // acknowledged: request id by label
	turns   int
}

// pass lets time pass under observation, with writes going on.
func (s *schedule) pass(l *look, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(lookEvery) {
		synctest.Wait()
		l.once()
		// A node takes so many labels and no more.
		if s.turns++; s.turns%10 == 0 && s.turns < 1500 {
			s.write()
		}
	}
}

// event does one random thing.
func (s *schedule) event() {
	m, h := s.members[s.r.IntN(len(s.members))], s.hosts[s.r.IntN(len(s.hosts))]
	switch kind := s.r.IntN(17); kind {
	case 0, 1:
		s.tell("%s dies", m.name)
		s.kill(m)
	case 2, 3:
		s.tell("%s is started", m.name)
		s.start(m)
	case 4:
		other := s.members[s.r.IntN(len(s.members))]
		if other != m {
			cut := s.r.IntN(2) == 0
			s.tell("%s and %s: cut %t", m.name, other.name, cut)
			s.sever(m, other, cut)
		}
	case 5, 6:
		cut := s.r.IntN(3) > 0
		s.tell("%s and all members: cut %t", h.id, cut)
		for _, m := range s.members {
			s.wires.cut(h.id, m.name, cut)
		}
	case 7:
		s.tell("%s and %s: cut", h.id, m.name)
		s.wires.cut(h.id, m.name, true)
	case 8:
		s.tell("the agent of %s ends", h.id)
		h.end()
	case 9, 10:
		s.tell("%s dies", h.id)
		h.die()
	case 11:
		for _, h := range s.hosts {
			h.start()
		}
		s.tell("every agent runs")
	case 12:
		s.drainNode(h.id)
	case 13:
		// So many at once that floors have to stand in the way.
		for _, i := range s.r.Perm(len(s.hosts))[:3+s.r.IntN(3)] {
			s.drainNode(s.hosts[i].id)
		}
	case 14:
		name := virtualServices[s.r.IntN(len(virtualServices))]
		s.tell("%s does not start on %s", name, h.id)
		h.spoil(name)
	case 15, 16:
		s.apply(s.r.IntN(len(virtualTopologies)))
	}
}

func (s *schedule) sever(a, b *virtualMember, cut bool) {
	s.wires.cut(a.name, b.name, cut)
	s.wires.raft.Cut(a.raft, b.raft, cut)
}

// mend brings everything back.
func (s *schedule) mend() {
	s.tell("everything is mended")
	for i, a := range s.members {
		s.start(a)
		for _, b := range s.members[i+1:] {
			s.sever(a, b, false)
		}
		for _, h := range s.hosts {
			s.wires.cut(h.id, a.name, false)
		}
	}
	for _, h := range s.hosts {
		h.heal()
		h.start()
	}
}

// try calls a member after the other, again and again, until one says that it is
// done; the outcome is not known otherwise.
func (s *schedule) try(within time.Duration, call func(context.Context, *virtualMember) error) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	for ctx.Err() == nil {
		for _, i := range s.r.Perm(len(s.members)) {
			if s.members[i].run == nil {
				continue
			}
			once, done := context.WithTimeout(ctx, time.Second)
			err := call(once, s.members[i])
			done()
			if err == nil {
				return true
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	return false
}

func (s *schedule) apply(i int) {
	id := newRequestID(s.t)
	ok := s.try(5*time.Second, func(ctx context.Context, m *virtualMember) error {
		_, err := v1.NewTopologyServiceClient(m.conn).ApplyTopology(ctx, &v1.ApplyTopologyRequest{
			RequestId: id, Source: []byte(virtualTopologies[i] + virtualPolicy), FileName: "t.yaml", AllowStop: true, AcceptShortage: true,
		})
		return err
	})
	s.tell("topology %d is applied: %t", i, ok)
}

func (s *schedule) drainNode(node string) {
	id := newRequestID(s.t)
	ok := s.try(5*time.Second, func(ctx context.Context, m *virtualMember) error {
		_, err := v1.NewNodeServiceClient(m.conn).DrainNode(ctx, &v1.DrainNodeRequest{
			RequestId: id, Id: node, Deadline: durationpb.New(10 * time.Second), Reason: "test",
		})
		return err
	})
	s.tell("%s is drained: %t", node, ok)
}

// write writes a label, and remembers it if a member said that it did.
func (s *schedule) write() {
	id, node, key := newRequestID(s.t), s.hosts[s.r.IntN(len(s.hosts))].id, fmt.Sprintf("k%d", s.turns)
	if s.try(2*time.Second, func(ctx context.Context, m *virtualMember) error {
		_, err := v1.NewNodeServiceClient(m.conn).UpdateNode(ctx, &v1.UpdateNodeRequest{RequestId: id, Id: node, SetLabels: map[string]string{key: "1"}})
		return err
	}) {
		if s.written == nil {
			s.written = map[string]string{}
		}
		s.written[node+" "+key] = id
	}
}

// settle: once all is mended, all is well within minutes.
func (s *schedule) settle(l *look) {
	s.t.Helper()
	end := time.Now().Add(30 * time.Minute)
	for _, h := range s.hosts {
		// It also forgives what failed there.
		id, node := newRequestID(s.t), h.id
		if !s.try(time.Minute, func(ctx context.Context, m *virtualMember) error {
			_, err := v1.NewNodeServiceClient(m.conn).UndrainNode(ctx, &v1.UndrainNodeRequest{RequestId: id, Id: node})
			return err
		}) {
			s.t.Fatalf("a minute after everything was mended no member takes a write\n%s", s.story())
		}
	}
	for why := "?"; why != ""; {
		s.pass(l, 5*time.Second)
		why = s.unsettled()
		if why != "" && time.Now().After(end) {
			s.t.Fatalf("not settled after everything was mended: %s\n%s", why, s.story())
		}
	}
	s.audit()
}

// unsettled says what is not as it should be.
func (s *schedule) unsettled() string {
	state := s.newest()
	for _, m := range s.members {
		if other := m.run.machine.State(); other.Index() == state.Index() && !bytes.Equal(other.Hash(), state.Hash()) {
			s.t.Fatalf("%s has another state at index %d\n%s", m.name, state.Index(), s.story())
		}
	}
	for _, n := range state.Nodes() {
		if n.GetState() != v1.NodeState_NODE_STATE_UP || n.GetReportedGeneration() != n.GetGeneration() {
			return n.GetId() + " is not up, or does not hold its set"
		}
		for _, a := range n.GetAssignments() {
			if a.GetBorrowed() || a.GetWanted() != v1.Wanted_WANTED_SERVING || !s.host(n.GetId()).answers(a.GetService()) {
				return fmt.Sprintf("%s: %v", n.GetId(), a)
			}
		}
	}
	if state.RolloutOrder().GetOpen() || state.Hold() != nil {
		return "the order is open, or it holds"
	}
	return ""
}

// audit: what was acknowledged is there, done once.
func (s *schedule) audit() {
	s.t.Helper()
	state := s.newest()
	events, _, err := state.Events(0, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	done := map[string]int{}
	for _, e := range events {
		done[e.GetRequestId()]++
	}
	for what, id := range s.written {
		var node, key string
		if _, err := fmt.Sscan(what, &node, &key); err != nil {
			s.t.Fatal(err)
		}
		if state.Node(node).GetLabels()[key] != "1" || done[id] != 1 {
			s.t.Errorf("%s was acknowledged: label %q, done %d times", what, state.Node(node).GetLabels()[key], done[id])
		}
	}
	s.t.Logf("%d writes acknowledged, %d instances ended by command, %d entries, %s of virtual time", len(s.written), s.ended, state.Index(), time.Since(s.began).Round(time.Second))
}
