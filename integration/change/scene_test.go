package change

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"roster/integration/cluster"
	"roster/integration/site"
)

// scene is a site and its test.
type scene struct {
	*site.Site
	t     *testing.T
	nodes []cluster.Node
}

func newScene(t *testing.T, nodes []cluster.Node) *scene {
	t.Helper()
	return newSceneOf(t, cluster.Options{}, nodes)
}

func newSceneOf(t *testing.T, options cluster.Options, nodes []cluster.Node) *scene {
	t.Helper()
	return &scene{site.New(t, options, nodes), t, nodes}
}

// begin makes a model true and puts the checker to work.
func (s *scene) begin(model string) *cluster.Status {
	s.t.Helper()
	status := s.Apply(model, s.TopologyFile(model, nil))
	s.Watch(s.nodes)
	s.Watcher.Floors(site.FloorsOf(status))
	s.Watcher.Expect(model, status.Ready())
	s.looks(model, serving(s.MustDuties()))
	return status
}

// serving is the set of what is to answer.
func serving(all []site.Duty) map[string]bool {
	set := map[string]bool{}
	for _, d := range all {
		if d.Wanted == "serving" {
			set[d.Service+" "+d.Node] = true
		}
	}
	return set
}

// plan is what a test reads of `roster topology plan -o json`.
type plan struct {
	Basis   string   `json:"basis"`
	Gapless bool     `json:"gapless"`
	Needs   []string `json:"needs"`
	Unkept  []string `json:"unkept"`
	Waves   []struct {
		Moves []move `json:"moves"`
	} `json:"waves"`
	Gaps []struct {
		Service string `json:"service"`
		Ready   int    `json:"ready"`
		Floor   int    `json:"floor"`
	} `json:"gaps"`
	LowestReady map[string]int `json:"lowest_ready"`
}

type move struct {
	Service string `json:"service"`
	Node    string `json:"node"`
	Pool    string `json:"pool"`
	Action  string `json:"action"`
	Reason  string `json:"reason"`
}

// planOf asks for the plan of a file.
func (s *scene) planOf(file string) plan {
	s.t.Helper()
	var shown struct {
		Plan plan `json:"plan"`
	}
	cluster.Until(s.t, site.Bound, "plan "+file, func() error { return s.JSON(&shown, "topology", "plan", "-f", file) })
	return shown.Plan
}

// carry applies a plan that was shown, and no other. An error is worth a new plan:
// the cluster changed since, as where a node is suspect for a moment.
func (s *scene) carry(file string, shown plan, flags ...string) error {
	s.t.Helper()
	result := s.CLI(append([]string{"topology", "apply", "-f", file, "--plan", shown.Basis, "--allow-stop"}, flags...)...)
	switch {
	case result.Code == 0:
		return nil
	case strings.Contains(result.Stderr, "not up"), strings.Contains(result.Stderr, "plan"):
		return fmt.Errorf("%s", result)
	}
	s.t.Fatal(result.String())
	return nil
}

// applied makes a file the topology; it does not wait for it to come true.
func (s *scene) applied(file string, flags ...string) plan {
	s.t.Helper()
	var shown plan
	cluster.Until(s.t, site.Bound, "apply "+file, func() error {
		shown = s.planOf(file)
		return s.carry(file, shown, flags...)
	})
	return shown
}

// rollout is what a test reads of `roster rollout status -o json`.
type rollout struct {
	State string `json:"state"`
	Pause *struct {
		By     string `json:"by"`
		Reason string `json:"reason"`
	} `json:"pause"`
	Canary *struct {
		Nodes   []string `json:"nodes"`
		Failure string   `json:"failure"`
	} `json:"canary"`
	Waiting []string `json:"waiting"`
	Starts  int      `json:"starts"`
	Stops   int      `json:"stops"`
}

// rolls waits until the rollout is as asked.
func (s *scene) rolls(what string, as func(rollout) bool) rollout {
	s.t.Helper()
	var shown struct {
		Rollout rollout `json:"rollout"`
	}
	cluster.Until(s.t, site.Bound, what, func() error {
		shown.Rollout = rollout{}
		if err := s.JSON(&shown, "rollout", "status"); err != nil {
			return err
		}
		if !as(shown.Rollout) {
			return fmt.Errorf("it is %+v", shown.Rollout)
		}
		return nil
	})
	return shown.Rollout
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

// drains waits until a service ends its sessions on a node.
func (s *scene) drains(service, node string) {
	s.t.Helper()
	s.until(service+" drains on "+node, func(now []site.Duty) error {
		if !slices.ContainsFunc(now, func(d site.Duty) bool { return d.Node == node && d.Service == service && d.Wanted == "draining" }) {
			return fmt.Errorf("assigned: %+v", now)
		}
		return nil
	})
}

// says wants words in what a command said.
func says(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s: %q is not said in:\n%s", what, word, text)
		}
	}
}

// addressOf is where a service answers on a node.
func (s *scene) addressOf(service, node string) string {
	s.t.Helper()
	for _, target := range cluster.Targets(s.nodes...) {
		if target.Node == node && target.Service == service {
			return target.Address
		}
	}
	s.t.Fatalf("there is no %s on %s", service, node)
	return ""
}

// told waits until status has a sentence with all of these words.
func (s *scene) told(words ...string) {
	s.t.Helper()
	s.Until(site.Bound, fmt.Sprintf("status says %q", words), func(status *cluster.Status) error {
		for _, sentence := range status.Sentences {
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(sentence, word) }) {
				return nil
			}
		}
		return fmt.Errorf("%s: %s", status.State, strings.Join(status.Sentences, " / "))
	})
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
