package operator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"roster/integration/cluster"
	"roster/integration/site"
)

// frozenThroughADeath: a freeze holds repair back while a floor is broken, until
// it expires; and so does one of each scope that covers the repair, and no other.
func (s *scene) frozenThroughADeath() {
	t := s.t
	t.Helper()
	before := s.MustDuties()
	baseline := s.Until(site.Bound, "settled", func(status *cluster.Status) error {
		if !status.Settled {
			return fmt.Errorf("%v", status.Sentences)
		}
		return nil
	}).Ready()
	web := site.Carriers(before, "webdav")
	free := slices.DeleteFunc([]string{"node-6", "node-7", "node-8", "node-9"}, func(id string) bool { return slices.Contains(web, id) })

	s.Watcher.Repair(false)
	s.freeze("--for", "1h", "--reason", "the switch is replaced")
	s.KillAgents("in a freeze of all", web[0])
	s.UntilState("down", web[0])
	s.firstSentence("all", "the switch is replaced")
	s.unmoved(3*time.Second, "frozen", before)
	// The long one is ended before its time: a short one goes on, and expires.
	long := s.frozen()[0]
	s.freeze("--for", "8s", "--reason", "nearly done")
	s.CLI("unfreeze", long.ID).OK(t)
	short := s.frozen()
	if len(short) != 1 || short[0].Reason != "nearly done" {
		t.Fatalf("frozen: %+v", short)
	}
	s.firstSentence("all", "nearly done")
	s.Watcher.Repair(true)
	cluster.Quiet(t, time.Until(short[0].Expires)-2*time.Second, "frozen until "+short[0].Expires.String(), func() error { return s.Same(before, nil) })
	s.Until(site.Bound, "mended by itself", site.FloorsKept)
	t.Logf("the floor was kept again %.1f s after the freeze expired", time.Since(short[0].Expires).Seconds())
	first := s.standIn(before, free)
	second := free[1-slices.Index(free, first)]

	// Only one node is left that can; freezes of every scope that covers it, one
	// after the other, keep it from standing in.
	s.Watcher.Repair(false)
	withFirst := s.MustDuties()
	s.freeze("--scope", "service:webdav", "--for", "1h", "--reason", "webdav is looked at")
	s.KillAgents("in a freeze of a scope", web[1])
	s.UntilState("down", web[1])
	last := "service:webdav"
	for _, scope := range []string{"pool:web", "zone:" + s.node(second).Zone, "node:" + second} {
		s.firstSentence(last, "is looked at")
		s.unmoved(2*time.Second, "frozen: "+last, withFirst)
		if strings.HasPrefix(scope, "node:") {
			s.CLI("node", "hands-off", second, "--for", "1h", "--reason", scope+" is looked at").OK(t)
		} else {
			s.freeze("--scope", scope, "--for", "1h", "--reason", scope+" is looked at")
		}
		s.CLI("unfreeze", "--scope", last).OK(t)
		last = scope
	}
	s.firstSentence(last, "is looked at")
	s.unmoved(2*time.Second, "frozen: "+last, withFirst)
	// Freezes of other scopes are not in the way.
	for _, scope := range []string{"service:imap", "pool:imap", "zone:" + s.node(web[0]).Zone, "node:node-1", "node:" + web[1]} {
		s.freeze("--scope", scope, "--for", "1h", "--reason", "something else")
	}
	s.unmoved(time.Second, "frozen: "+last, withFirst)
	ended := time.Now()
	s.CLI("node", "hands-on", second).OK(t)
	s.Watcher.Repair(true)
	s.Until(site.Bound, "mended at the word", site.FloorsKept)
	t.Logf("the floor was kept again %.1f s after the hands were on", time.Since(ended).Seconds())
	if status, err := s.Status(); err != nil || status.State != "frozen" {
		t.Errorf("floors are kept, other scopes are frozen: %+v, %v", status, err)
	}
	s.CLI("unfreeze", "--all").OK(t)
	if left := s.frozen(); len(left) > 0 {
		t.Errorf("still frozen: %+v", left)
	}
	s.Revive(web...)
	s.Watcher.Healed(web...)
	s.Until(site.Bound, "whole again", site.ReadyAgain(baseline))
	cluster.Until(t, site.Bound, "as before", func() error { return s.Same(before, nil) })
}

func (s *scene) freeze(flags ...string) {
	s.t.Helper()
	s.CLI(append([]string{"freeze"}, flags...)...).OK(s.t)
}

type frozenScope struct {
	ID, Scope, Reason, By string
	Expires               time.Time
}

// frozen is what `roster freezes` lists.
func (s *scene) frozen() []frozenScope {
	s.t.Helper()
	var list struct {
		Freezes []frozenScope `json:"freezes"`
	}
	cluster.Until(s.t, site.Bound, "list the freezes", func() error { return s.JSON(&list, "freezes") })
	return list.Freezes
}

// firstSentence wants the first thing that status says to be the freeze: what,
// until when, by whom, why. A floor that is broken is the worse word.
func (s *scene) firstSentence(scope, reason string) {
	s.t.Helper()
	s.Until(site.Bound, "the floor is broken, and frozen", func(status *cluster.Status) error {
		if status.State != "floor_broken" || len(status.Sentences) == 0 || !hasAll(status.Sentences[0], []string{"Frozen: " + scope + " until ", "by operator: ", reason}) {
			return fmt.Errorf("%s: %s", status.State, strings.Join(status.Sentences, " / "))
		}
		return nil
	})
	r := s.CLI("status")
	line, _, _ := strings.Cut(r.Stdout, "\n")
	if !strings.HasPrefix(line, "FLOOR BROKEN") || !hasAll(r.Stdout, []string{"Frozen: " + scope, reason}) {
		s.t.Errorf("status begins %q: %s", line, r)
	}
	if r := s.CLI("status", "--check"); r.Code != 2 {
		s.t.Errorf("status --check: %s", r)
	}
}

// standIn is the free node that serves webdav on loan.
func (s *scene) standIn(before []site.Duty, free []string) string {
	s.t.Helper()
	for _, d := range s.MustDuties() {
		if d.Service == "webdav" && d.Borrowed && slices.Contains(free, d.Node) && !slices.Contains(before, d) {
			return d.Node
		}
	}
	s.t.Fatalf("nobody stands in: %+v", s.MustDuties())
	return ""
}
