package operator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/loopback"
	"roster/integration/site"
)

// heartbeat of the agents: what hosts say of themselves comes with it.
const heartbeat = time.Second

// scene is a site and its test.
type scene struct {
	*site.Site
	t     *testing.T
	nodes []cluster.Node
}

func newScene(t *testing.T, nodes []cluster.Node) *scene {
	t.Helper()
	return &scene{site.New(t, cluster.Options{Heartbeat: heartbeat}, nodes), t, nodes}
}

// policy with timings that a test can wait for; no seat is given away in it.
var policy = fmt.Sprintf("policy: {down_after: %s, return_after: %s, replace_after: 30m, max_moving: 100%%}\n", site.DownAfter, site.ReturnAfter)

// node by its id.
func (s *scene) node(id string) cluster.Node {
	s.t.Helper()
	for _, n := range s.nodes {
		if n.ID == id {
			return n
		}
	}
	s.t.Fatalf("there is no %s", id)
	return cluster.Node{}
}

// address of a service on a node.
func (s *scene) address(node, service string) string {
	s.t.Helper()
	for _, one := range s.node(node).Services {
		if one.Name == service {
			return loopback.Address(one.Port)
		}
	}
	s.t.Fatalf("there is no %s on %s", service, node)
	return ""
}

// order runs a command; where a node is suspect for a moment, as on a machine
// that is short of processors, once more.
func (s *scene) order(args ...string) {
	s.t.Helper()
	cluster.Until(s.t, site.Bound, strings.Join(args, " "), func() error {
		if r := s.CLI(args...); r.Code != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
}

// until waits for what is assigned.
func (s *scene) until(what string, condition func([]site.Duty) error) {
	s.t.Helper()
	cluster.Until(s.t, site.Bound, what, func() error {
		now, err := s.Duties()
		if err != nil {
			return err
		}
		return condition(now)
	})
}

// wanted waits until a service of a node is wanted so; empty: not at all.
func (s *scene) wanted(node, service, how string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%s of %s is wanted %q", service, node, how), func(now []site.Duty) error {
		for _, d := range now {
			if d.Node == node && d.Service == service {
				if d.Wanted != how {
					return fmt.Errorf("it is %s", d.Wanted)
				}
				return nil
			}
		}
		if how != "" {
			return fmt.Errorf("it is not assigned: %+v", now)
		}
		return nil
	})
}

// unmoved waits a while in which nothing that is assigned changes.
func (s *scene) unmoved(d time.Duration, what string, before []site.Duty) {
	s.t.Helper()
	cluster.Quiet(s.t, d, what, func() error { return s.Same(before, nil) })
}

// told waits until status has a sentence with all of these words.
func (s *scene) told(words ...string) {
	s.t.Helper()
	s.Until(site.Bound, fmt.Sprintf("status says %q", words), func(status *cluster.Status) error {
		if !slices.ContainsFunc(status.Sentences, func(sentence string) bool { return hasAll(sentence, words) }) {
			return fmt.Errorf("%s: %s", status.State, strings.Join(status.Sentences, " / "))
		}
		return nil
	})
}

func hasAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}

// says wants words in what a command or a process said.
func says(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s: %q is not said in:\n%s", what, word, text)
		}
	}
}

// leaderDies kills the leader, without goodbye.
func (s *scene) leaderDies() *cluster.Member {
	s.t.Helper()
	m := s.Leader(site.Bound)
	m.Kill()
	return m
}
