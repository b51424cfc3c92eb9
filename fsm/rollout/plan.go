package rollout

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// Plan runs Next forward on a simulated cluster, where starts become ready,
// drains end and a canary is well, until it is done or stuck. Floors in force are
// advanced as the state machine would. Where only a floor is in the way, it goes
// on as if the operator accepted that, and says so: the operator sees it first.
// Where it is stuck, the shortages say what it waits for. The caller sets Basis
// and Needs.
func Plan(v View) *v1.Plan {
	v.Restraints.AcceptGap = true
	plan, _ := Forward(v)
	return plan
}

// Forward is Plan, and the view that it ends in: the nodes and floors once
// everything that can be done is done. It breaks a floor only if the view accepts
// that.
func Forward(v View) (*v1.Plan, View) {
	p := &v1.Plan{
		Revision: v.Revision, Summary: &v1.PlanSummary{}, Gapless: true, LowestReady: map[string]uint32{},
	}
	if v.Target == nil {
		return p, v
	}
	sim := newSimulation(v)
	sim.lowest(p.LowestReady)
	for {
		sim.retarget()
		step := Next(sim.view)
		if len(step.Moves) > 0 {
			sim.announce(p, step)
			sim.lowest(p.LowestReady)
		}
		settled := sim.settle()
		sim.lowest(p.LowestReady)
		if len(step.Moves) > 0 {
			sim.told(p.Waves[len(p.Waves)-1])
			continue
		}
		if settled || sim.tried() {
			continue
		}
		if sim.retarget() {
			continue
		}
		ending(p, sim.view.Target)
		if !step.Done {
			for _, sentence := range step.Waiting {
				p.Shortages = append(p.Shortages, &v1.Shortage{Reason: sentence})
			}
		}
		return p, sim.view
	}
}

// ending adds what is to be when the plan is done.
func ending(p *v1.Plan, target *placement.Target) {
	for _, s := range target.Seats {
		p.Seats = append(p.Seats, proto.CloneOf(s))
	}
	for _, l := range target.Loans {
		p.Loans = append(p.Loans, proto.CloneOf(l))
	}
	for _, s := range target.Shortages {
		p.Shortages = append(p.Shortages, proto.CloneOf(s))
	}
}

// announce does a wave, and adds to the plan what it is and what it leaves.
func (s *simulation) announce(p *v1.Plan, step Step) {
	for _, m := range step.Moves {
		switch m.GetAction() {
		case v1.Action_ACTION_START:
			p.Summary.Starts++
		case v1.Action_ACTION_STOP:
			p.Summary.Stops++
		}
		s.explain(m)
	}
	before, floors := s.ready, s.view.Floors
	s.commit(step.Moves)
	wave := waveOf(step.Moves)
	for _, key := range s.counted(before) {
		floor, n := floors[key].GetFloor(), s.ready[key]
		count := &v1.ReadyCount{Service: key, Committed: n, Floor: floor}
		if f := s.view.Floors[key]; f != nil {
			count.Service, count.Part = f.GetService(), placement.PartName(f.GetWhere())
		}
		wave.Ready = append(wave.Ready, count)
		if n < min(floor, before[key]) {
			p.Gapless = false
			p.Gaps = append(p.Gaps, &v1.Gap{
				Wave: uint32(len(p.Waves) + 1), Service: count.Service, Part: count.Part, Ready: n, Floor: floor, Reason: step.why,
			})
		}
	}
	p.Waves = append(p.Waves, wave)
}

// told adds to a wave what is ready once it is finished.
func (s *simulation) told(w *v1.Wave) {
	for _, count := range w.Ready {
		count.Settled = s.ready[FloorKey(count.Service, count.Part)]
	}
}

// counted lists what is told of a wave: every floor, and every service that is
// ready somewhere, before the wave or after.
func (s *simulation) counted(before map[string]uint32) []string {
	keys := make([]string, 0, len(s.view.Floors))
	for key := range s.view.Floors {
		keys = append(keys, key)
	}
	for _, ready := range []map[string]uint32{before, s.ready} {
		for key := range ready {
			if s.view.Floors[key] == nil {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// lowest keeps the fewest ready so far, by service.
func (s *simulation) lowest(so map[string]uint32) {
	keep := func(service string) {
		n, known := so[service]
		if !known {
			n = s.ready[service]
		}
		so[service] = min(n, s.ready[service])
	}
	for service := range so {
		keep(service)
	}
	for service := range floorTargets(s.view.Topology) {
		keep(service)
	}
	for key := range s.ready {
		if len(s.view.Floors[key].GetWhere()) == 0 {
			keep(key)
		}
	}
}

// waveOf tells what changes a service from what only changes a seat.
func waveOf(moves []*v1.Move) *v1.Wave {
	w := &v1.Wave{}
	for _, m := range moves {
		if m.GetAction() == v1.Action_ACTION_RESEAT {
			w.Reseats = append(w.Reseats, m)
			continue
		}
		w.Moves = append(w.Moves, m)
	}
	return w
}

// WaveMoves is all that a wave does, seats that change hands first.
func WaveMoves(w *v1.Wave) []*v1.Move { return slices.Concat(w.GetReseats(), w.GetMoves()) }

// PlanMoves is all that a plan does, wave by wave.
func PlanMoves(p *v1.Plan) []*v1.Move {
	var moves []*v1.Move
	for _, w := range p.GetWaves() {
		moves = append(moves, WaveMoves(w)...)
	}
	return moves
}
