package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"roster/integration/checker/history"
	"roster/integration/loopback"
)

// protocols of services, as the checker calls them.
var protocols = map[string]string{"imap": "imap", "jmap": "jmap", "webdav": "webdav", "smtp-inbound": "smtp", "smtp-outbound": "smtp", "submission": "smtp"}

// Targets are the addresses of every service that nodes can run.
func Targets(nodes ...Node) []history.Target {
	var targets []history.Target
	for _, n := range nodes {
		for _, s := range n.Services {
			targets = append(targets, history.Target{
				Node: n.ID, Service: s.Name, Address: net.JoinHostPort(n.host(), strconv.Itoa(s.Port)), Protocol: protocols[s.Name], Path: s.Path,
			})
		}
	}
	return targets
}

// Watcher is a running checker.
type Watcher struct {
	// Dir has the log.
	Dir string

	t        testing.TB
	interval time.Duration
	// Beside the test, a follower of the cluster's events marks too.
	mu   sync.Mutex
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	over bool
}

// Watch starts a checker, a process of its own, over the targets.
func Watch(t testing.TB, targets []history.Target, interval, heartbeat time.Duration) *Watcher {
	t.Helper()
	dir := loopback.Dir(t)
	text, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "targets.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &Watcher{Dir: filepath.Join(dir, "log"), t: t, interval: interval}
	w.cmd = exec.Command(Checker(t), "watch", "-targets", file, "-log", w.Dir, //nolint:gosec // our own binary
		"-interval", interval.String(), "-heartbeat", heartbeat.String())
	w.cmd.Stderr = os.Stderr
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.out = bufio.NewReader(out)
	if err := startBound(w.cmd); err != nil {
		t.Fatalf("start the checker: %v", err)
	}
	t.Cleanup(func() {
		if !w.over {
			_ = w.cmd.Process.Kill() // gone is what we want
			_ = w.cmd.Wait()
		}
	})
	return w
}

func (w *Watcher) mark(r history.Record) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	text, err := json.Marshal(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(w.in, "%s\n", text); err != nil {
		w.t.Fatalf("tell the checker: %v", err)
	}
	answer, err := w.out.ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "ok" {
		w.t.Fatalf("the checker answered %q, %v", answer, err)
	}
}

// Floors says which floors are in force from now on.
func (w *Watcher) Floors(floors map[string]int) {
	w.t.Helper()
	w.mark(history.Record{Mark: history.MarkFloors, Counts: floors})
}

// FloorsAndParts says which floors are in force from now on, those over parts of
// the nodes included.
func (w *Watcher) FloorsAndParts(floors map[string]int, parts []history.Part) {
	w.t.Helper()
	w.mark(history.Record{Mark: history.MarkFloors, Counts: floors, Parts: parts})
}

// Accepted says that the operator lets commands leave fewer than the floors, but
// not fewer than this, until the next floors.
func (w *Watcher) Accepted(text string, least map[string]int) {
	w.t.Helper()
	w.mark(history.Record{Mark: history.MarkAccepted, Text: text, Counts: least})
}

// Fault says that these nodes are about to be broken.
func (w *Watcher) Fault(text string, nodes ...string) {
	w.t.Helper()
	w.mark(history.Record{Mark: history.MarkFault, Text: text, Nodes: nodes})
}

// Healed says that these nodes were mended.
func (w *Watcher) Healed(nodes ...string) {
	w.t.Helper()
	w.mark(history.Record{Mark: history.MarkHealed, Nodes: nodes})
}

// Repair says whether the cluster is to repair by itself from now on, and which
// nodes it may not use.
func (w *Watcher) Repair(on bool, barred ...string) {
	w.t.Helper()
	text := "off"
	if on {
		text = "on"
	}
	w.mark(history.Record{Mark: history.MarkRepair, Text: text, Nodes: barred})
}

// Applied says that a topology was applied.
func (w *Watcher) Applied(text string) {
	w.t.Helper()
	w.mark(history.Record{Mark: history.MarkApplied, Text: text})
}

// Expect says how many nodes answer for each service now, or soon. What is done
// next must not undo that before the checker has looked.
func (w *Watcher) Expect(text string, counts map[string]int) {
	w.t.Helper()
	w.mark(history.Record{Mark: history.MarkExpect, Text: text, Counts: counts})
	<-time.After(5 * w.interval)
}

// Verdict ends the watch and has the log judged, with further flags of the
// checker; the test fails unless it held.
func (w *Watcher) Verdict(flags ...string) {
	w.t.Helper()
	// What was silent in its last dial counts as silent until the end: each target
	// is looked at a few times more.
	<-time.After(10 * w.interval)
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	if err := w.in.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.cmd.Wait(); err != nil {
		w.t.Fatalf("the checker's watch: %v", err)
	}
	out, err := exec.Command(Checker(w.t), append(append([]string{"verify"}, flags...), w.Dir)...).CombinedOutput() //nolint:gosec // our own binary
	w.t.Logf("checker:\n%s", out)
	if err != nil {
		w.t.Errorf("the checker's verdict: %v", err)
		if keep := os.Getenv("ROSTER_TEST_LOGS"); keep != "" {
			to := filepath.Join(keep, strings.ReplaceAll(w.t.Name(), "/", "_"))
			if err := os.CopyFS(to, os.DirFS(w.Dir)); err != nil {
				w.t.Logf("keep the log: %v", err)
			}
			w.t.Logf("the log was kept in %s", to)
		}
	}
}
