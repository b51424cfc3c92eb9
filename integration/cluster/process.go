package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopBound bounds a stop in order; then the process is killed and the test
// fails.
const stopBound = 30 * time.Second

// Process is one member or agent.
type Process struct {
	Name string
	// Log has its standard output and error, of all its lives.
	Log string

	argv []string
	t    testing.TB

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

func newProcess(t testing.TB, name, dir string, argv ...string) *Process {
	p := &Process{Name: name, Log: filepath.Join(dir, name+".log"), argv: argv, t: t}
	t.Cleanup(func() {
		p.end()
		for _, word := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
			if text, err := os.ReadFile(p.Log); err == nil && bytes.Contains(text, []byte(word)) {
				t.Errorf("%s said %q:\n%s", name, word, p.around(text, word))
			}
		}
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", name, p.tail(6<<10))
		}
	})
	return p
}

// Start begins a life of the process.
func (p *Process) Start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		p.t.Fatalf("%s runs already", p.Name)
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // our own folder
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()            // the child has its own
	cmd := exec.Command(p.argv[0], p.argv[1:]...) //nolint:gosec // our own binary
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := startBound(cmd); err != nil {
		p.t.Fatalf("start %s: %v", p.Name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(done)
	}()
}

// running needs mu.
func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Running says whether the process lives.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// PID is the id of the newest life; 0 before the first.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Kill ends it without a chance to say anything (SIGKILL), and waits.
func (p *Process) Kill() {
	p.t.Helper()
	if err := p.signal(syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	p.wait(stopBound)
}

// Stop ends it in order (SIGTERM), and waits.
func (p *Process) Stop() {
	p.t.Helper()
	if err := p.signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if !p.wait(stopBound) {
		p.t.Errorf("%s did not end within %v of SIGTERM", p.Name, stopBound)
		p.end()
	}
}

// ExitCode is how the newest life ended; -1 while it lives or if a signal
// ended it.
func (p *Process) ExitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *Process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("%s does not run\n%s", p.Name, p.tail(4<<10))
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

func (p *Process) wait(bound time.Duration) bool {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return true
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// end makes sure that it is gone.
func (p *Process) end() {
	p.mu.Lock()
	if p.running() {
		_ = p.cmd.Process.Kill() // gone is what we want
	}
	p.mu.Unlock()
	p.wait(stopBound)
}

// around is the log from a word on.
func (p *Process) around(text []byte, word string) string {
	text = text[bytes.Index(text, []byte(word)):]
	return string(text[:min(len(text), 4<<10)])
}

// tail is the end of the log.
func (p *Process) tail(most int) string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = text[len(text)-most:]
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			text = text[i+1:]
		}
	}
	return string(text)
}
