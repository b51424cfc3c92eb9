package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/cmd/internal/dev"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/output"
	"roster/fsm/topology"
)

// verb runs a verb in this process and returns what it printed.
func verb(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	sh := &shell{in: strings.NewReader(""), out: &out, err: io.Discard, format: output.Table}
	root := newRoot(sh)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// asJSON runs a verb and reads its answer, without what only a live cluster has.
func asJSON(t *testing.T, args ...string) map[string]any {
	t.Helper()
	text, err := verb(t, append(args, "-o", "json")...)
	if err != nil {
		t.Fatalf("roster %s: %s", strings.Join(args, " "), exit.Sentence(err))
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"basis", "revision", "plan"} {
		delete(answer, key)
	}
	return answer
}

// A cluster of one member runs the weighted example on ten nodes; what verbs say
// of it is what they say of the same cluster on paper.
func TestACanaryIsSteeredAndPaperSaysWhatTheClusterSays(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nodes := file("nodes", topology.ExampleNodes())
	files := map[string]string{}
	for _, name := range topology.Examples() {
		source, _ := topology.Example(name)
		files[name] = file(name, source)
	}
	weighted, err := os.ReadFile(files["weighted"])
	if err != nil {
		t.Fatal(err)
	}
	top, err := topology.Parse("weighted", weighted)
	if err != nil {
		t.Fatal(err)
	}
	ten, err := dev.NodesFrom("10")
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := dev.Start(ctx, dev.Options{Members: 1, Nodes: ten, Dir: dir, Version: "test"}, top)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	live := []string{"--member", cluster.Addresses()[0], "--timeout", "60s"}
	ask := func(args ...string) string {
		t.Helper()
		text, err := verb(t, append(args, live...)...)
		if err != nil {
			t.Fatalf("roster %s: %s", strings.Join(args, " "), exit.Sentence(err))
		}
		return text
	}
	waitFor(t, func() bool { return strings.Count(ask("node", "list"), "\nnode-") == len(ten) }, nil)
	ask("topology", "apply", "-f", files["weighted"], "--yes", "--wait")

	for _, name := range topology.Examples() {
		paper := asJSON(t, "topology", "plan", "-f", files[name], "--nodes", nodes, "--from", files["weighted"])
		var diff string
		// On a busy machine a node may be late, and the plan waits for it.
		waitFor(t, func() bool {
			diff = cmp.Diff(asJSON(t, append([]string{"topology", "plan", "-f", files[name]}, live...)...), paper)
			return diff == ""
		}, func() { t.Logf("the plan to %s: -live +paper\n%s", name, diff) })
	}
	if text := ask("status"); !strings.Contains(text, "topology weighted, revision 1") {
		t.Errorf("status says\n%s", text)
	}
	if text := ask("explain", "imap", "node-1"); !strings.HasPrefix(text, "imap on node-1: wanted there, for pool imap\n") {
		t.Errorf("explain says\n%s", text)
	}
	if text := ask("topology", "export", "-o", "mermaid"); !strings.Contains(text, `subgraph g1["imap"]`) {
		t.Errorf("the drawing is\n%s", text)
	}

	// A canary that has to be well for a day goes no further: it is steered.
	paired, err := os.ReadFile(files["paired"])
	if err != nil {
		t.Fatal(err)
	}
	careful := file("careful", append(paired, "policy: {rollout: {canary: 1, bake: 24h}}\n"...))
	ask("topology", "apply", "-f", careful, "--yes", "--allow-stop")
	ask("rollout", "pause", "--reason", "look first")
	if text := ask("rollout", "status"); !strings.Contains(text, "paused since ") || !strings.Contains(text, "look first") {
		t.Errorf("rollout status says\n%s", text)
	}
	ask("rollout", "resume")
	waitFor(t, func() bool { return strings.Contains(ask("rollout", "status"), "Rollout canary") }, nil)
	if text := ask("rollout", "abort", "--yes", "--wait"); !strings.Contains(text, "Settled on revision 3.") {
		t.Errorf("abort says\n%s", text)
	}
	back := asJSON(t, append([]string{"topology", "plan", "-f", files["weighted"]}, live...)...)
	if waves := back["waves"].([]any); len(waves) > 0 {
		t.Errorf("it has not walked back: %v", waves)
	}
	if _, err := verb(t, append([]string{"rollout", "abort", "--yes"}, live...)...); exit.Code(err) != exit.Failed {
		t.Errorf("nothing is left to abort, and it says %v", err)
	}
}

// waitFor waits until something is so; tell says what is the matter where it is
// not.
func waitFor(t *testing.T, so func() bool, tell func()) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			if tell != nil {
				tell()
			}
			t.Fatal("it did not come true")
		}
	}
}
