package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"roster/integration/checker/history"
)

// Event is what a test reads of `roster event watch -o json`.
type Event struct {
	Index   uint64 `json:"index"`
	Kind    string `json:"kind"`
	Node    string `json:"node"`
	Service string `json:"service"`
	Pool    string `json:"pool"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
}

// Events is a follower of the cluster's events: a process of its own.
type Events struct {
	t   testing.TB
	cmd *exec.Cmd

	mu   sync.Mutex
	seen []Event
}

// FollowEvents follows the events from now on, and tells a checker of each start
// that is in flight. Every member must be able to die: it goes on with another.
func (c *Cluster) FollowEvents(tell *Watcher) *Events {
	c.t.Helper()
	e := &Events{t: c.t}
	newest := c.newestIndex()
	e.cmd = exec.Command(Binary(c.t), "event", "watch", "--after", fmt.Sprint(newest), "-o", "json") //nolint:gosec // our own binary
	e.cmd.Env = append(plainEnvironment(), c.environment()...)
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := startBound(e.cmd); err != nil {
		c.t.Fatalf("follow the events: %v", err)
	}
	done := make(chan struct{})
	starts := make(chan Event, 1024)
	go func() {
		defer close(done)
		defer close(starts)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var event Event
			if json.Unmarshal(lines.Bytes(), &event) != nil {
				continue
			}
			e.mu.Lock()
			e.seen = append(e.seen, event)
			e.mu.Unlock()
			if begins[event.Kind] {
				starts <- event
			}
		}
	}()
	told := make(chan struct{})
	go func() {
		defer close(told)
		for event := range starts {
			if tell != nil {
				tell.started(event)
			}
		}
	}()
	c.t.Cleanup(func() {
		_ = e.cmd.Process.Kill() // gone is what we want
		<-done
		<-told
		_ = e.cmd.Wait()
	})
	return e
}

// begins are the kinds that say that a service is wanted where it was not.
var begins = map[string]bool{"assignment.start": true, "assignment.loan": true, "assignment.undrain": true}

// newestIndex is the index of the newest event.
func (c *Cluster) newestIndex() uint64 {
	c.t.Helper()
	var list struct {
		Index uint64 `json:"index"`
	}
	if err := c.JSON(&list, "event", "list", "--limit", "1"); err != nil {
		c.t.Fatal(err)
	}
	return list.Index
}

// Since returns the events seen after an index whose kind begins so.
func (e *Events) Since(index uint64, kind string) []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Event
	for _, event := range e.seen {
		if event.Index > index && len(event.Kind) >= len(kind) && event.Kind[:len(kind)] == kind {
			out = append(out, event)
		}
	}
	return out
}

// Newest is the index of the newest event, of any kind, that the cluster has.
func (c *Cluster) Newest() uint64 { return c.newestIndex() }

// started tells the checker that a start is in flight. The watch may be over.
func (w *Watcher) started(event Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	text, err := json.Marshal(history.Record{Mark: history.MarkStarted, Service: event.Service, Nodes: []string{event.Node}, Text: event.Kind + " on " + event.Node})
	if err != nil {
		return
	}
	if _, err := fmt.Fprintf(w.in, "%s\n", text); err == nil {
		_, _ = w.out.ReadString('\n') // its answer; a test that marks fails by itself
	}
}

// Quiet watches for so long that nothing happens which ok does not allow.
func Quiet(t testing.TB, d time.Duration, what string, ok func() error) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
		if err := ok(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
