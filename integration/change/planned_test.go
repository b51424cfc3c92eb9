package change

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roster/integration/checker/history"
	"roster/integration/cluster"
	"roster/integration/require"
	"roster/integration/session"
	"roster/integration/site"
)

// What the plan printed before an apply, and what somebody outside saw happen, are
// the same, wave by wave.

// announced is what one wave changes for somebody outside: services that begin to
// answer, and services that no longer do. Stops and changes of seat are not seen.
func announced(p plan) (waves [][]string) {
	for _, w := range p.Waves {
		var seen []string
		for _, m := range w.Moves {
			switch m.Action {
			case "start", "undrain":
				seen = append(seen, "+"+m.Service+" "+m.Node)
			case "drain":
				seen = append(seen, "-"+m.Service+" "+m.Node)
			}
		}
		waves = append(waves, seen)
	}
	return waves
}

// A brake is a session that a drain of a wave waits for: while it is open, the
// next wave cannot begin, and anybody can look at what this one left.
type brake struct {
	wave          int
	service, node string
	session       *session.Session
}

// brakes opens one for each wave that drains something with sessions.
func (s *scene) brakes(p plan) (brakes []brake) {
	s.t.Helper()
	for i, w := range p.Waves {
		at := slices.IndexFunc(w.Moves, func(m move) bool {
			return m.Action == "drain" && (m.Service == "imap" || strings.HasPrefix(m.Service, "smtp"))
		})
		if at >= 0 {
			m := w.Moves[at]
			brakes = append(brakes, brake{i, m.Service, m.Node, session.Open(s.t, s.addressOf(m.Service, m.Node))})
		}
	}
	return brakes
}

// answering is the set of everything that answers by the newest line of the log.
func (s *scene) answering() (map[string]bool, error) {
	records, err := history.Read(filepath.Join(s.Watcher.Dir, history.FileName))
	if err != nil {
		return nil, err // its last line may be half written
	}
	set := map[string]bool{}
	for _, r := range records {
		if r.Kind != history.KindChange {
			continue
		}
		if what := r.Service + " " + r.Node; r.Answers {
			set[what] = true
		} else {
			delete(set, what)
		}
	}
	return set, nil
}

// looks waits until the checker sees exactly this set answer.
func (s *scene) looks(what string, set map[string]bool) {
	s.t.Helper()
	cluster.Until(s.t, site.Bound, what+": the set that answers", func() error {
		found, err := s.answering()
		if err != nil {
			return err
		}
		for one := range set {
			if !found[one] {
				return fmt.Errorf("%s does not answer", one)
			}
		}
		for one := range found {
			if !set[one] {
				return fmt.Errorf("%s answers", one)
			}
		}
		return nil
	})
}

// pass waits at each brake until what answers is what the plan has then, and no
// more, and lets the next wave begin. At the end it is what the plan ends with.
func (s *scene) pass(step string, brakes []brake, set map[string]bool, waves [][]string) {
	s.t.Helper()
	next := 0
	through := func(wave int) {
		for ; next <= wave; next++ {
			for _, change := range waves[next] {
				if change[0] == '+' {
					set[change[1:]] = true
				} else {
					delete(set, change[1:])
				}
			}
		}
	}
	for _, b := range brakes {
		through(b.wave)
		s.drains(b.service, b.node)
		s.looks(fmt.Sprintf("%s, wave %d", step, b.wave+1), set)
		if b.service == "imap" {
			if err := b.session.Lives(); err != nil {
				s.t.Errorf("%s, wave %d: the session on %s of %s: %v", step, b.wave+1, b.service, b.node, err)
			}
		}
		b.session.End()
	}
	through(len(waves) - 1)
	s.looks(step+", at its end", set)
}

// seen are the changes of one transition in the checker's log.
func seen(t *testing.T, records []history.Record, step string) []history.Record {
	t.Helper()
	from, to := -1.0, -1.0
	for _, r := range records {
		if r.Mark == history.MarkApplied && r.Text == step {
			from = r.T
		}
		if r.Mark == history.MarkExpect && r.Text == step {
			to = r.T
		}
	}
	if from < 0 || to < 0 {
		t.Fatalf("the log has no %q", step)
	}
	var changes []history.Record
	for _, r := range records {
		if r.Kind == history.KindChange && !r.First && r.T > from && r.T <= to {
			changes = append(changes, r)
		}
	}
	return changes
}

// compare says how what was seen differs from what was announced: every change was
// announced, once; what was announced was seen; and nothing of a later wave was
// seen, for certain, before something of an earlier one.
func compare(waves [][]string, changes []history.Record) error {
	wave := map[string]int{}
	for i, w := range waves {
		for _, what := range w {
			if _, twice := wave[what]; twice {
				return fmt.Errorf("%s is announced twice", what)
			}
			wave[what] = i
		}
	}
	when := map[string]history.Record{}
	for _, r := range changes {
		what := "-" + r.Service + " " + r.Node
		if r.Answers {
			what = "+" + r.Service + " " + r.Node
		}
		if _, known := wave[what]; !known {
			return fmt.Errorf("%s at %.3f was not announced", what, r.T)
		}
		if _, twice := when[what]; twice {
			return fmt.Errorf("%s at %.3f was seen twice", what, r.T)
		}
		when[what] = r
	}
	for what := range wave {
		if _, happened := when[what]; !happened {
			return fmt.Errorf("%s of wave %d was announced and never seen", what, wave[what]+1)
		}
	}
	for earlier, a := range when {
		for later, b := range when {
			// A change lies between the last dial that saw nothing of it and the end of
			// the one that did.
			if wave[earlier] < wave[later] && b.T < a.Before {
				return fmt.Errorf("%s of wave %d was seen by %.3f, before %s of wave %d, which was not there at %.3f",
					later, wave[later]+1, b.T, earlier, wave[earlier]+1, a.Before)
			}
		}
	}
	return nil
}

// step is one transition.
type step struct {
	name  string
	waves [][]string
	// How many of them were looked at while the next one could not begin.
	pinned int
}

// transition plans, applies that plan and no other, and looks at each wave.
func (s *scene) transition(name, model string, floors map[string]int) step {
	s.t.Helper()
	file := s.TopologyFile(model, nil)
	var shown plan
	var brakes []brake
	before := map[string]bool{}
	cluster.Until(s.t, site.Bound, "apply "+name, func() (err error) {
		shown = s.planOf(file)
		if before, err = s.answering(); err != nil {
			return err
		}
		brakes = s.brakes(shown)
		s.Watcher.Floors(site.Lower(floors, nextFloors(shown, model)))
		s.Watcher.Applied(name)
		if err = s.carry(file, shown); err != nil {
			for _, b := range brakes {
				b.session.End()
			}
		}
		return err
	})
	if !shown.Gapless {
		s.t.Errorf("%s: the plan is not gapless: %+v", name, shown)
	}
	waves := announced(shown)
	s.pass(name, brakes, before, waves)
	status := s.Settled(site.Bound, model)
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Expect(name, status.Ready())
	s.looks(name, serving(s.MustDuties()))
	return step{name, waves, len(brakes)}
}

// asPlanned takes a cluster through models and compares each step with its plan.
func asPlanned(t *testing.T, walk []string) {
	t.Helper()
	s := newScene(t, site.Hosts(t))
	floors := site.FloorsOf(s.begin(walk[0]))
	var steps []step
	for i, model := range walk[1:] {
		steps = append(steps, s.transition(fmt.Sprintf("%d: %s to %s", i+1, walk[i], model), model, floors))
		status, err := s.Status()
		if err != nil {
			t.Fatal(err)
		}
		floors = site.FloorsOf(status)
	}
	s.Verdict()
	records, err := history.Read(filepath.Join(s.Watcher.Dir, history.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range steps {
		if err := compare(one.waves, seen(t, records, one.name)); err != nil {
			t.Errorf("%s: %v\nannounced: %v", one.name, err, one.waves)
			continue
		}
		t.Logf("%s: %d waves, as announced; at the end of %d of them the whole set was compared", one.name, len(one.waves), one.pinned)
	}
}

// nextFloors are the floors of an example: those of mixed are not all 1.
func nextFloors(p plan, model string) map[string]int {
	floors := map[string]int{}
	for _, service := range slices.Collect(maps.Keys(p.LowestReady)) {
		floors[service] = 1
	}
	if model == "mixed" {
		floors["imap"], floors["smtp-outbound"] = 3, 2
	}
	return floors
}

func TestWhatHappensIsWhatThePlanAnnouncedWaveByWave(t *testing.T) {
	t.Parallel() // it waits most of the time
	asPlanned(t, []string{"service-specific", "mixed", "paired"})
}

func TestTenTransitionsHappenAsTheirPlansAnnounced(t *testing.T) {
	require.Slow(t)
	t.Parallel() // it waits most of the time
	asPlanned(t, []string{
		"weighted", "unified", "service-specific", "geographic", "paired", "mixed", "weighted", "geographic", "unified", "mixed", "service-specific",
	})
}

func TestTheComparisonFindsWhatWasNotAnnounced(t *testing.T) {
	change := func(what string, answers bool, before, at float64) history.Record {
		service, node, _ := strings.Cut(what, " ")
		return history.Record{T: at, Kind: history.KindChange, Service: service, Node: node, Answers: answers, Before: before}
	}
	waves := [][]string{{"+imap node-3", "+imap node-4"}, {"-imap node-1"}, {}, {"-imap node-2"}}
	good := []history.Record{
		change("imap node-4", true, 1.0, 1.1), change("imap node-3", true, 1.2, 1.3),
		change("imap node-1", false, 1.25, 1.35), // may have been after node-3
		change("imap node-2", false, 3.0, 3.1),
	}
	if err := compare(waves, good); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]history.Record{
		"an order that was another":   {good[0], change("imap node-3", true, 2.2, 2.3), good[2], good[3]},
		"what is missing":             good[:3],
		"what nobody announced":       append(slices.Clone(good), change("jmap node-1", false, 4, 4.1)),
		"what came back":              append(slices.Clone(good), change("imap node-1", true, 4, 4.1)),
		"what was seen a second time": append(slices.Clone(good), good[3]),
	} {
		if err := compare(waves, bad); err == nil {
			t.Errorf("%s was not found", name)
		}
	}
}
