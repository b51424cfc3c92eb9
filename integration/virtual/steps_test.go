package virtual

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm/topology"
	"roster/integration/virtual/judge"
	v1 "roster/proto/roster/v1"
)

// final says whether asking again cannot help.
func final(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal:
		return false
	default:
		return true
	}
}

// order is one word of the operator's, tried for a while; it may stay open what
// became of it.
func (w *world) order(call func(context.Context) error) (done, refused bool) {
	err := w.insist(15*time.Second, call)
	if err != nil {
		w.tell("  … which the cluster did not take: %v", status.Convert(err).Message())
		if status.Code(err) == codes.Internal {
			w.t.Errorf("seed %d: %v", w.seed, err)
		}
	}
	return err == nil, err != nil && final(err)
}

// draw makes a topology out of an example: its pools, shared out over the hosts
// that there are, with some to spare and some floors.
func (w *world) draw() *v1.Topology {
	name := topology.Examples()[w.rng.IntN(len(topology.Examples()))]
	source, _ := topology.Example(name)
	t, err := topology.Parse(name+".yaml", source)
	w.must(err)
	left := len(w.hosts) - w.rng.IntN(3)
	var counts []*v1.Pool
	for _, p := range t.GetPools() {
		if _, fixed := p.GetSize().(*v1.Pool_Count); fixed {
			p.Size = &v1.Pool_Count{Count: 1}
			counts = append(counts, p)
			left--
		}
	}
	if len(counts) == len(t.GetPools()) {
		for ; left > 0; left-- {
			p := counts[w.rng.IntN(len(counts))]
			p.Size = &v1.Pool_Count{Count: p.GetCount() + 1}
		}
	}
	t.Services = nil
	for _, s := range services {
		decl := &v1.Service{Name: s, Drain: w.seconds(5, 20)}
		if w.rng.IntN(2) == 0 {
			decl.Floor = proto.Uint32(uint32(1 + w.rng.IntN(most(t, s)))) //nolint:gosec // small
		}
		t.Services = append(t.Services, decl)
	}
	t.Services = slices.DeleteFunc(t.Services, func(s *v1.Service) bool {
		return !slices.ContainsFunc(t.GetPools(), func(p *v1.Pool) bool { return slices.Contains(p.GetServices(), s.GetName()) })
	})
	t.Policy = &v1.Policy{
		DownAfter: durationpb.New(w.history.DownAfter), ReplaceAfter: w.seconds(20, 60),
		ReturnAfter: durationpb.New(5 * time.Second), HoldAbove: t.GetPolicy().GetHoldAbove(), HoldMax: durationpb.New(time.Minute),
	}
	return t
}

// most is the highest floor that a service may be given: 3, or as many nodes as its
// pools have for sure.
func most(t *v1.Topology, service string) int {
	n := 0
	for _, p := range t.GetPools() {
		if !slices.Contains(p.GetServices(), service) {
			continue
		}
		switch size := p.GetSize().(type) {
		case *v1.Pool_Count:
			n += int(size.Count)
		case *v1.Pool_Weight:
			n++
		default:
			n += 3
		}
	}
	return max(1, min(3, n))
}

func (w *world) seconds(least, most int) *durationpb.Duration {
	return durationpb.New(time.Duration(least+w.rng.IntN(most-least+1)) * time.Second)
}

// floorsOf are those of a topology, as an operator reads it.
func floorsOf(t *v1.Topology) map[string]int {
	floors := map[string]int{}
	for _, p := range t.GetPools() {
		for _, s := range p.GetServices() {
			floors[s] = 1
		}
	}
	for _, s := range t.GetServices() {
		if s.Floor != nil {
			floors[s.GetName()] = int(s.GetFloor())
		}
	}
	return floors
}

// apply applies a topology.
func (w *world) apply(t *v1.Topology) bool {
	w.disturb("applies %s: %s", t.GetName(), sizes(t))
	w.note(judge.Fact{Kind: judge.Sent, Floors: floorsOf(t)})
	id := w.api.RequestID()
	source := topology.Format(t)
	done, refused := w.order(func(ctx context.Context) error {
		_, err := v1.NewTopologyServiceClient(w.api).ApplyTopology(ctx, &v1.ApplyTopologyRequest{
			RequestId: id, Source: source, FileName: "drawn.yaml", AllowStop: true, AcceptShortage: true,
		})
		return err
	})
	if done {
		w.note(judge.Fact{Kind: judge.Acked, Floors: floorsOf(t)})
	}
	if !refused {
		w.topology, w.approves = t, t.GetPolicy().GetRepair() == v1.Automation_AUTOMATION_APPROVE
	}
	w.disturb("  applied: %t", done)
	return done
}

func sizes(t *v1.Topology) (text string) {
	for _, p := range t.GetPools() {
		text += fmt.Sprintf("%s%v", p.GetName(), p.GetServices())
		switch size := p.GetSize().(type) {
		case *v1.Pool_Count:
			text += fmt.Sprintf("×%d ", size.Count)
		case *v1.Pool_Weight:
			text += fmt.Sprintf("~%d ", size.Weight)
		default:
			text += "×all "
		}
	}
	return fmt.Sprintf("%sfloors %v repair %v", text, floorsOf(t), t.GetPolicy().GetRepair())
}

// step does one random thing, and lets some time pass: often enough as long as a
// repair may take.
func (w *world) step() {
	pause := w.between(100*time.Millisecond, 8*time.Second)
	if w.rng.IntN(5) == 0 {
		pause = w.between(15*time.Second, 50*time.Second)
	}
	if fault := w.act(); fault && w.rng.IntN(2) == 0 {
		pause = w.between(13*time.Second, 30*time.Second)
	}
	w.pass(pause)
}

// act does one random thing, and says whether it takes something away.
func (w *world) act() (fault bool) {
	m, h := pick(w, w.members), pick(w, w.hosts)
	service := pick(w, services)
	switch n := w.rng.IntN(100); {
	case n < 8:
		fault = true
		if leads := w.leading(); leads != nil && w.rng.IntN(2) == 0 {
			m = leads
		}
		w.disturb("%s is killed", m.name)
		m.kill()
		if w.rng.IntN(4) == 0 {
			w.disturb("%s dies with it", h.id)
			h.die()
		}
	case n < 20:
		w.reviveMembers()
	case n < 30:
		fault = true
		if w.rng.IntN(2) == 0 {
			w.disturb("%s loses its power", h.id) // nobody is told
			w.cutHost(h, true)
		} else {
			w.disturb("%s dies", h.id)
		}
		h.die()
	case n < 34:
		w.disturb("the agent of %s dies alone", h.id)
		h.end()
	case n < 46:
		w.reviveHosts()
	case n < 51:
		w.disturb("%s is cut off from %s", h.id, m.name)
		w.net.Cut(h.id, m.name, true)
	case n < 56:
		fault = true
		w.disturb("%s is cut off from all members", h.id)
		w.cutHost(h, true)
	case n < 58:
		fault = true
		w.disturb("many are cut off from all members")
		for _, i := range w.rng.Perm(len(w.hosts))[:3+w.rng.IntN(len(w.hosts)-2)] {
			w.cutHost(w.hosts[i], true)
		}
	case n < 62:
		w.disturb("%s is cut off from the other members", m.name)
		w.cutMember(m, true)
	case n < 70:
		w.disturb("ways are mended")
		w.healSome()
	case n < 75:
		w.disturb("%s is to be drained", h.id)
		id := w.api.RequestID()
		w.order(func(ctx context.Context) error {
			_, err := v1.NewNodeServiceClient(w.api).DrainNode(ctx, &v1.DrainNodeRequest{RequestId: id, Id: h.id, Reason: "kernel"})
			return err
		})
		w.disturb("  drained")
	case n < 79:
		w.undrain(h)
	case n < 84:
		w.apply(w.draw())
	case n < 87:
		w.cordon(h, w.rng.IntN(2) == 0)
	case n < 90:
		w.freeze(h)
	case n < 96:
		fault = true
		w.fail(h, service)
	case n < 98:
		w.mendServices(h)
	default:
		w.repairPolicy()
	}
	return fault
}

func pick[T any](w *world, from []T) T { return from[w.rng.IntN(len(from))] }

func (w *world) reviveMembers() {
	for _, m := range w.members {
		if m.run == nil {
			w.disturb("%s is started", m.name)
			m.start()
			return
		}
	}
}

func (w *world) reviveHosts() {
	for _, h := range w.hosts {
		if h.agent == nil {
			w.disturb("the agent of %s is started", h.id)
			w.cutHost(h, false)
			h.start()
			return
		}
	}
}

func (w *world) cutHost(h *host, cut bool) {
	for _, m := range w.members {
		w.net.Cut(h.id, m.name, cut)
	}
}

func (w *world) cutMember(m *member, cut bool) {
	for _, other := range w.members {
		if other != m {
			w.net.Cut(m.name, other.name, cut)
			w.raft.Cut(m.raft, other.raft, cut)
		}
	}
}

func (w *world) healSome() {
	if w.rng.IntN(2) == 0 {
		w.cutMember(pick(w, w.members), false)
	}
	for _, h := range w.hosts {
		if w.rng.IntN(2) == 0 {
			w.cutHost(h, false)
		}
	}
}

func (w *world) undrain(h *host) {
	w.disturb("%s is not to be drained", h.id)
	id := w.api.RequestID()
	w.order(func(ctx context.Context) error {
		_, err := v1.NewNodeServiceClient(w.api).UndrainNode(ctx, &v1.UndrainNodeRequest{RequestId: id, Id: h.id})
		return err
	})
	w.disturb("  undrained")
}

func (w *world) cordon(h *host, cordoned bool) {
	w.disturb("%s: cordoned %t", h.id, cordoned)
	id := w.api.RequestID()
	w.order(func(ctx context.Context) error {
		_, err := v1.NewNodeServiceClient(w.api).CordonNode(ctx, &v1.CordonNodeRequest{RequestId: id, Id: h.id, Cordoned: cordoned, Reason: "disk"})
		return err
	})
	w.disturb("  done")
}

func (w *world) freeze(h *host) {
	scope := pick(w, []string{"all", "node:" + h.id, "service:" + pick(w, services)})
	w.disturb("%s is frozen", scope)
	id := w.api.RequestID()
	w.order(func(ctx context.Context) error {
		_, err := v1.NewGuardServiceClient(w.api).CreateFreeze(ctx, &v1.CreateFreezeRequest{
			RequestId: id, Scope: scope, For: w.seconds(10, 40), Reason: "migration",
		})
		return err
	})
}

// fail lets a service fail on a host, in one of the ways in which services do.
func (w *world) fail(h *host, name string) {
	switch w.rng.IntN(5) {
	case 0:
		w.disturb("%s crashes on %s", name, h.id)
		h.crash(name)
	case 1:
		w.disturb("%s crashes on %s and cannot be started there any more", name, h.id)
		h.change(name, func(s *service) { s.broken = true })
		h.crash(name)
	case 2:
		w.disturb("%s hangs on %s", name, h.id)
		h.hang(name, true)
	case 3:
		w.disturb("%s will start on %s and never answer", name, h.id)
		h.change(name, func(s *service) { s.mute = true })
		h.crash(name)
	default:
		w.disturb("%s ignores its stop on %s", name, h.id)
		h.change(name, func(s *service) { s.ignores = true })
	}
}

func (w *world) mendServices(h *host) {
	w.disturb("what is wrong on %s is mended", h.id)
	for _, name := range services {
		h.change(name, func(s *service) { s.broken, s.mute, s.ignores = false, false, false })
		h.hang(name, false)
	}
}

// repairPolicy lets the operator decide repairs, or Roster again.
func (w *world) repairPolicy() {
	t := proto.CloneOf(w.topology)
	t.Policy.Repair = v1.Automation_AUTOMATION_APPROVE
	if w.approves {
		t.Policy.Repair = v1.Automation_AUTOMATION_AUTO
	}
	w.apply(t)
}
