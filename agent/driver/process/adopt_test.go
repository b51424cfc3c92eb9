package process_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roster/agent/driver"
	"roster/agent/probe"
)

// pid writes a pid file.
func pid(t *testing.T, path string, text any) {
	t.Helper()
	must(t, os.WriteFile(path, fmt.Appendf(nil, "%v\n", text), 0o600))
}

func TestWhatAPIDFileNamesIsTakenOverOnlyIfItIsTheService(t *testing.T) {
	stranger := exec.Command("sleep", "1000")
	must(t, stranger.Start())
	gone := make(chan error, 1)
	go func() { gone <- stranger.Wait() }()
	defer func() { _, _ = stranger.Process.Kill(), <-gone }()

	t.Run("another program's process is none of it", func(t *testing.T) {
		imap := service(t, "imap", "imap", "")
		imap.Command.Adopt.PIDFile = filepath.Join(t.TempDir(), "imap.pid")
		pid(t, imap.Command.Adopt.PIDFile, stranger.Process.Pid)
		d := open(t, t.TempDir(), imap)
		defer wipe(t, d, imap)
		if o := observe(t, d, "imap"); o.Adoptable || o.Running || !strings.Contains(o.Detail, "sleep") {
			t.Fatalf("observed %+v", o)
		}
		must(t, d.Adopt(t.Context(), "imap"))
		must(t, d.Remove(t.Context(), "imap"))
		// Its number was used again: the file is left over, and the service is started.
		must(t, d.Ensure(t.Context(), "imap"))
		answers(t, imap)
		if o := observe(t, d, "imap"); !o.Running || o.PID == int64(stranger.Process.Pid) {
			t.Fatalf("observed %+v", o)
		}
	})
	t.Run("what has ended is none of it", func(t *testing.T) {
		imap := service(t, "imap", "imap", "")
		imap.Command.Adopt.PIDFile = filepath.Join(t.TempDir(), "imap.pid")
		dead := exec.Command("true")
		must(t, dead.Run())
		pid(t, imap.Command.Adopt.PIDFile, dead.Process.Pid)
		d := open(t, t.TempDir(), imap)
		defer wipe(t, d, imap)
		must(t, d.Ensure(t.Context(), "imap"))
		answers(t, imap)
	})
	t.Run("a copy that serves elsewhere is left alone, and none is started beside it", func(t *testing.T) {
		elsewhere, imap := service(t, "imap", "imap", ""), service(t, "imap", "imap", "")
		other := byHand(t, elsewhere)
		imap.Command.Adopt.PIDFile = filepath.Join(t.TempDir(), "imap.pid")
		pid(t, imap.Command.Adopt.PIDFile, other)
		d := open(t, t.TempDir(), imap)
		defer wipe(t, d, imap)
		for verb, err := range map[string]error{"ensure": d.Ensure(t.Context(), "imap"), "adopt": d.Adopt(t.Context(), "imap")} {
			if err == nil || !strings.Contains(err.Error(), "does not serve where") {
				t.Errorf("%s: %v", verb, err)
			}
		}
		must(t, d.Remove(t.Context(), "imap"))
		if o := observe(t, d, "imap"); o.Running || o.Adoptable {
			t.Fatalf("observed %+v", o)
		}
		must(t, probe.Check(t.Context(), elsewhere.Endpoints[0]))
		if err := probe.Check(t.Context(), imap.Endpoints[0]); !errors.Is(err, probe.ErrRefused) {
			t.Fatalf("a copy was started: %v", err)
		}
	})
	t.Run("a file that names no process is told", func(t *testing.T) {
		for _, text := range []any{"", "dovecot", 0, 1, -7, "12x"} {
			imap := service(t, "imap", "imap", "")
			imap.Command.Adopt.PIDFile = filepath.Join(t.TempDir(), "imap.pid")
			pid(t, imap.Command.Adopt.PIDFile, text)
			d := open(t, t.TempDir(), imap)
			if err := d.Ensure(t.Context(), "imap"); err == nil || !strings.Contains(err.Error(), "adopt.pid_file") {
				t.Errorf("%q: %v", text, err)
			}
			wipe(t, d, imap)
		}
	})
	t.Run("without a file what answers is left alone", func(t *testing.T) {
		imap := service(t, "imap", "imap", "")
		imap.Command.Adopt.PIDFile = filepath.Join(t.TempDir(), "none", "imap.pid")
		hand := imap
		hand.Command.Adopt.PIDFile = ""
		byHand(t, hand)
		d := open(t, t.TempDir(), imap)
		defer wipe(t, d, imap)
		if err := d.Ensure(t.Context(), "imap"); !errors.Is(err, driver.ErrPortTaken) {
			t.Fatal(err)
		}
	})
	select {
	case err := <-gone:
		t.Fatalf("the stranger was ended: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
}

// A daemon that was started by hand need not have a session of its own: what it started
// is ended with it all the same, and nothing else of that session.
func TestWhatWasTakenOverEndsWithAllThatItStarted(t *testing.T) {
	imap := service(t, "imap", "imap", "leaves a child")
	imap.Command.KillAfter = 100 * time.Millisecond
	imap.Command.Adopt.PIDFile = filepath.Join(t.TempDir(), "imap.pid")
	byHand(t, imap)
	d := open(t, t.TempDir(), imap)
	defer wipe(t, d, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	if o := observe(t, d, "imap"); !o.Running {
		t.Fatalf("observed %+v", o)
	}
	must(t, d.Remove(t.Context(), "imap"))
	if err := probe.Check(t.Context(), imap.Endpoints[0]); !errors.Is(err, probe.ErrRefused) {
		t.Fatalf("probe: %v", err)
	}
}

func TestADaemonThatWasTakenOverAndEndsIsToldAndStartedByRoster(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	imap.Command.Adopt.PIDFile = filepath.Join(t.TempDir(), "imap.pid")
	hand := byHand(t, imap)
	d := open(t, t.TempDir(), imap)
	defer wipe(t, d, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	ended := d.Ended("imap")
	process, err := os.FindProcess(hand)
	must(t, err)
	must(t, process.Kill())
	<-ended
	if o := observe(t, d, "imap"); o.Running || !strings.Contains(o.Detail, "its own log") {
		t.Fatalf("observed %+v", o)
	}
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	if o := observe(t, d, "imap"); !o.Running || o.PID == int64(hand) {
		t.Fatalf("observed %+v", o)
	}
}
