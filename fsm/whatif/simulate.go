package whatif

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// Titles of stages.
const (
	AtOnce       = "at once"
	AfterDown    = "after down_after"
	AfterReplace = "after replace_after"
	AfterReturn  = "after return"
)

// mostReturns bounds the rounds after a return: each waits for as long as who
// came back is not relied on yet.
const mostReturns = 16

// Simulate shows move by move what follows from losses, by name: `node-3`,
// `node:node-3`, `zone:a1`, `region:b`, `member:m2`; with withReturn, also what
// follows when all of them come back after that. The error wraps one of
// ErrUnknownNode, ErrUnknownZone, ErrUnknownRegion, ErrUnknownMember,
// ErrUnknownKind.
func (c *Cluster) Simulate(fail []string, withReturn bool) (*v1.SimulateResponse, error) {
	s, err := c.resolve(fail)
	if err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	run := &simulation{begin: c, now: c, subject: s, policy: c.Topology.GetPolicy(), keys: c.floorKeys(), answer: &v1.SimulateResponse{}}
	left, quorum := c.electorate().without(s.members)
	run.answer.Loss = &v1.Loss{Kind: s.kind, Lost: s.names(), Alike: 1, Quorum: quorum}
	run.lose()
	if quorum {
		err = run.fail()
	} else {
		run.stand(c.electorate().paralysed(left))
	}
	if err == nil {
		run.conclude()
		if withReturn {
			err = run.comeBack()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	return run.answer, nil
}

// simulation is one loss through time.
type simulation struct {
	begin   *Cluster
	now     *Cluster
	subject subject
	policy  *v1.Policy
	keys    []string
	before  []uint32
	ready   []uint32 // at once
	answer  *v1.SimulateResponse
}

// lose is the moment at which nodes fall silent: nobody knows yet.
func (s *simulation) lose() {
	gone := *s.begin
	gone.Nodes = slices.DeleteFunc(slices.Clone(s.begin.Nodes), func(n *v1.Node) bool { return s.subject.nodes[n.GetId()] })
	s.before, s.ready = figures(s.begin.Nodes, s.begin.Floors, s.keys), figures(gone.Nodes, s.begin.Floors, s.keys)
	var waiting []string
	if names := slices.SortedFunc(maps.Keys(s.subject.nodes), placement.Compare); len(names) > 0 {
		waiting = append(waiting, fmt.Sprintf("%s: silent, and down after %s", listed(names), s.policy.GetDownAfter().AsDuration()))
	}
	s.stage(AtOnce, &gone, deed{waiting: waiting})
}

// fail is what Roster does about it.
func (s *simulation) fail() error {
	s.now = s.begin.later(s.policy.GetDownAfter().AsDuration()).without(s.subject.nodes)
	s.answer.Hold = s.now.Restraints.Hold.GetReason()
	if err := s.act(AfterDown); err != nil {
		return err
	}
	s.now = s.now.later(s.policy.GetReplaceAfter().AsDuration()).judged()
	return s.act(AfterReplace)
}

// stand is what happens without a quorum: nothing.
func (s *simulation) stand(why string) {
	silent := *s.begin
	silent.Nodes = slices.DeleteFunc(slices.Clone(s.begin.Nodes), func(n *v1.Node) bool { return s.subject.nodes[n.GetId()] })
	s.now = &silent
	for _, at := range []struct {
		title string
		after time.Duration
	}{{AfterDown, s.policy.GetDownAfter().AsDuration()}, {AfterReplace, s.policy.GetReplaceAfter().AsDuration()}} {
		s.now = s.now.later(at.after)
		s.stage(at.title, s.now, deed{waiting: []string{why}})
	}
}

// conclude notes both figures of the loss.
func (s *simulation) conclude() {
	recovered := figures(s.now.Nodes, s.begin.Floors, s.keys)
	for i, key := range s.keys {
		s.answer.Loss.Services = append(s.answer.Loss.Services, s.begin.serviceLoss(key, s.before[i], s.ready[i], recovered[i]))
	}
}

// comeBack lets everything that was lost return, and waits until it is relied
// on.
func (s *simulation) comeBack() error {
	at := *s.now
	if !s.answer.GetLoss().GetQuorum() {
		// No member marked anything.
		at.Nodes = s.begin.Nodes
	}
	s.now = at.with(s.subject.nodes)
	done, when := deed{}, s.now.Now
	for range mostReturns {
		after, did, err := s.now.act()
		if err != nil {
			return err
		}
		done.waves, done.waiting = append(done.waves, did.waves...), did.waiting
		s.now = after
		if len(did.waves) > 0 {
			when = after.Now
		}
		wait := after.unrest(s.subject.nodes)
		if wait <= 0 && len(did.waves) == 0 {
			break
		}
		s.now = after.later(max(wait, s.policy.GetReturnAfter().AsDuration(), time.Second))
	}
	settled := *s.now
	settled.Now = when // what was waited for after that came to nothing
	s.stage(AfterReturn, &settled, done)
	return nil
}

// unrest is how long it takes until nodes that came back are relied on.
func (c *Cluster) unrest(back map[string]bool) time.Duration {
	wait := time.Duration(0)
	for _, n := range c.Nodes {
		if back[n.GetId()] && !placement.Settled(n, c.Topology.GetPolicy(), c.Now) {
			wait = max(wait, placement.SettledAt(n, c.Topology.GetPolicy()).Sub(c.Now))
		}
	}
	return wait
}

func (s *simulation) act(title string) error {
	after, done, err := s.now.act()
	if err != nil {
		return err
	}
	s.now = after
	s.stage(title, after, done)
	return nil
}

func (s *simulation) stage(title string, at *Cluster, done deed) {
	stage := &v1.Stage{Title: title, After: durationpb.New(at.Now.Sub(s.begin.Now)), Waves: done.waves, Waiting: done.waiting}
	ready := figures(at.Nodes, s.begin.Floors, s.keys)
	for i, key := range s.keys {
		stage.Services = append(stage.Services, s.begin.serviceLoss(key, s.before[i], ready[i], ready[i]))
	}
	s.answer.Stages = append(s.answer.Stages, stage)
}

// floorKeys are the floors that there are, by rollout.FloorKey, sorted.
func (c *Cluster) floorKeys() []string {
	var keys []string
	for key, f := range c.Floors {
		if f.GetFloor() > 0 || f.GetTarget() > 0 {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func listed(names []string) string {
	if len(names) > mostNamed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), len(names)-mostNamed)
	}
	return strings.Join(names, ", ")
}
