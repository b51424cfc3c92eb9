package whatif_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

var update = flag.Bool("update", false, "write what happens into the stories")

// A story is a file of testdata/stories:
//
//	# prose, for people
//	nodes ten                      the examples' nodes; or a block, below
//	begin unified                  the cluster has settled on this topology
//	apply paired                   an event, and below it, indented, what followed
//	  wave 1
//	...
//
// A block is lines that begin with `| `, after `nodes`, `add` or `topology NAME`;
// what follows from an event is written by `go test ./fsm/whatif -run Stories
// -update`, and compared to the byte without it. Nodes are named node-3, zone:a1
// or region:a. Sessions end at once in a story, and time passes only where it
// says so.
func TestStoriesComeTrueToTheLetter(t *testing.T) {
	files, err := filepath.Glob("testdata/stories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(want))
			if got == string(want) {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // for people to read
					t.Fatal(err)
				}
				return
			}
			a, b := strings.Split(string(want), "\n"), strings.Split(got, "\n")
			for i := range max(len(a), len(b)) {
				if i >= len(a) || i >= len(b) || a[i] != b[i] {
					t.Fatalf("line %d is\n%s\nbut what happens is\n%s\n(-update writes it)", i+1, strings.Join(a[min(i, len(a)):min(i+3, len(a))], "\n"), strings.Join(b[min(i, len(b)):min(i+3, len(b))], "\n"))
				}
			}
		})
	}
}

func TestEveryTransitionAndEveryLossOfTheExamplesHasItsStory(t *testing.T) {
	var names []string
	for i, from := range topology.Examples() {
		for _, to := range topology.Examples() {
			if from != to {
				names = append(names, from+"-to-"+to)
			}
		}
		next := topology.Examples()[(i+1)%len(topology.Examples())]
		names = append(names, "restarting-"+from+"-to-"+next, from+"-loses-a-node", from+"-loses-a-zone", from+"-loses-a-region")
	}
	for _, name := range append(names, "ten-nodes-become-twenty", "drain", "flap", "too-few-nodes", "conflict", "borrowing-and-giving-back") {
		if _, err := os.Stat(filepath.Join("testdata", "stories", name+".txt")); err != nil {
			t.Error(err)
		}
	}
}

// story is one on its way.
type story struct {
	t          *testing.T
	w          *world
	topologies map[string][]byte
	out        page
}

// tell takes a story through its events and returns it with what happened.
func tell(t *testing.T, text string) string {
	s := &story{t: t, topologies: map[string][]byte{}}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		i++
		if strings.HasPrefix(line, "  ") {
			continue // what was expected
		}
		s.out.lines = append(s.out.lines, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var block strings.Builder
		for ; i < len(lines) && strings.HasPrefix(lines[i], "| "); i++ {
			s.out.lines = append(s.out.lines, lines[i])
			block.WriteString(lines[i][2:] + "\n")
		}
		s.event(strings.Fields(line), block.String())
	}
	return strings.Join(s.out.lines, "\n") + "\n"
}

// event is one line of the author.
func (s *story) event(words []string, block string) {
	s.t.Helper()
	what, rest := words[0], words[1:]
	switch {
	case what == "nodes":
		s.w = newWorld(s.t, s.nodes(rest, block))
		return
	case what == "topology":
		s.topologies[rest[0]] = []byte(block)
		return
	case what == "begin":
		s.force(s.topology(rest[0]))
		s.w.run()
		s.out.serving(s.w)
		return
	case what == "apply":
		s.order(rest)
		return
	case what == "fail":
		s.w.fail(s.ids(rest))
		s.out.answers(s.w)
		return
	case words[len(words)-1] == "passes" || words[len(words)-1] == "pass":
		s.w.pass(s.duration(what))
	case what == "return":
		s.w.comeBack(s.ids(rest))
	case what == "break" || what == "mend":
		for _, id := range s.ids(rest[1:]) {
			s.w.works(id, rest[0], what == "mend")
		}
	case what == "add":
		s.w.add(s.nodes(rest, block))
	case what == "drain" || what == "undrain" || what == "cordon" || what == "uncordon":
		for _, id := range s.ids(rest) {
			s.w.set(id, what)
		}
	default:
		s.t.Fatalf("a story knows no %q", strings.Join(words, " "))
	}
	s.follow()
}

// follow lets the leader act, and tells.
func (s *story) follow() {
	s.t.Helper()
	before := s.w.ready()
	plan, err := s.w.announced(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	done := s.w.run()
	s.w.mustBeAsAnnounced(plan, before, done)
	s.tell(done)
	if len(done.waves) > 0 {
		s.out.serving(s.w)
	}
}

func (s *story) tell(done rest) {
	if s.w.hold != nil {
		s.out.say(1, "Roster holds: %s", s.w.hold.GetReason())
	}
	s.out.happened(done)
	if s.w.pause != nil {
		s.out.say(1, "paused: %s", s.w.pause.GetReason())
	}
}

// order is an operator's new topology.
func (s *story) order(words []string) {
	s.t.Helper()
	top := s.topology(words[0])
	before := s.w.ready()
	plan, err := s.w.announced(top)
	if err != nil {
		s.out.say(1, "refused: %v", err)
		return
	}
	s.out.announced(plan)
	s.out.conflicts(plan.GetConflicts())
	switch {
	case len(plan.GetGaps()) > 0 && !slices.Contains(words, "accept-gap"):
		s.out.say(1, "refused: it needs accept-gap")
		return
	case len(plan.GetUnkept()) > 0:
		s.out.say(1, "refused: a promise is not kept")
		return
	}
	s.force(top)
	s.w.open, s.w.acceptGap, s.w.pause, s.w.canary = true, slices.Contains(words, "accept-gap"), nil, nil
	if s.w.revision > 1 && s.w.top.GetPolicy().GetRollout().GetCanary() > 0 {
		s.w.canary = &v1.Canary{}
	}
	done := s.w.run()
	s.w.mustBeAsAnnounced(plan, before, done)
	s.tell(done)
	s.out.serving(s.w)
}

// force puts a topology into force.
func (s *story) force(top *v1.Topology) {
	s.w.top, s.w.revision = topology.Effective(top), s.w.revision+1
	s.w.advance()
}

// topology is one of the story, or an example.
func (s *story) topology(name string) *v1.Topology {
	s.t.Helper()
	source, ok := s.topologies[name]
	if !ok {
		if source, ok = topology.Example(name); !ok {
			s.t.Fatalf("the story has no topology %s", name)
		}
	}
	top, err := topology.Parse(name+".yaml", source)
	if err != nil {
		s.t.Fatal(err)
	}
	return top
}

func (s *story) nodes(words []string, block string) []*v1.Node {
	s.t.Helper()
	if len(words) > 0 && words[0] == "ten" {
		block = string(topology.ExampleNodes())
	}
	nodes, err := topology.ParseNodes("nodes.yaml", []byte(block))
	if err != nil {
		s.t.Fatal(err)
	}
	if slices.Contains(words, "restarting") {
		for _, n := range nodes {
			for _, c := range n.GetClaims().GetServices() {
				c.ChangeMode, c.RestartGroup = v1.ChangeMode_CHANGE_MODE_RESTART, "mail"
			}
		}
	}
	return nodes
}

// ids reads node-3, zone:a1, region:a, node-[3-5].
func (s *story) ids(words []string) (ids []string) {
	s.t.Helper()
	for _, word := range words {
		key, value, place := strings.Cut(word, ":")
		if !place {
			expanded, err := topology.ExpandIDs(word)
			if err != nil {
				s.t.Fatal(err)
			}
			ids = append(ids, expanded...)
			continue
		}
		for _, n := range s.w.nodes {
			if key == "zone" && n.GetZone() == value || key == "region" && n.GetRegion() == value {
				ids = append(ids, n.GetId())
			}
		}
	}
	if len(ids) == 0 {
		s.t.Fatalf("%q names nobody", words)
	}
	return ids
}

// duration reads 10s, or the name of a time in the policy.
func (s *story) duration(word string) time.Duration {
	s.t.Helper()
	policy := s.w.top.GetPolicy()
	switch word {
	case "down_after":
		return policy.GetDownAfter().AsDuration()
	case "replace_after":
		return policy.GetReplaceAfter().AsDuration()
	case "return_after":
		return policy.GetReturnAfter().AsDuration()
	}
	d, err := time.ParseDuration(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}
