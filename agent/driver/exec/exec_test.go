package exec_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/agent/driver"
	"roster/agent/driver/conformance"
	"roster/agent/driver/exec"
	"roster/integration/await"
	v1 "roster/proto/roster/v1"
)

func TestKeepsTheContract(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Subject {
		dir := t.TempDir()
		imap, smtp := service(t, "imap", "imap"), service(t, "smtp-inbound", "smtp")
		return conformance.Subject{
			Open:     func(t *testing.T) driver.Driver { return open(t, dir, imap, smtp) },
			IMAP:     &v1.ServiceClaim{Name: "imap", Endpoints: imap.Endpoints},
			SMTP:     &v1.ServiceClaim{Name: "smtp-inbound", Endpoints: smtp.Endpoints},
			Outlives: true,
			ByHand:   func(t *testing.T, _ *v1.ServiceClaim) { byHand(t, imap, "start") },
		}
	})
}

func TestWhatRunsAlreadyIsNeverStarted(t *testing.T) {
	imap := service(t, "imap", "imap")
	byHand(t, imap, "start")
	answers(t, imap)
	dir := t.TempDir()
	d := open(t, dir, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	must(t, d.Ensure(t.Context(), "imap"))
	must(t, d.Close())
	d = open(t, dir, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	if got := said(t, imap); got != "start" {
		t.Fatalf("the script was run with %s, once by hand", got)
	}
	must(t, d.Remove(t.Context(), "imap"))
	must(t, d.Remove(t.Context(), "imap"))
	if got := said(t, imap); got != "start stop" {
		t.Fatalf("the script was run with %s", got)
	}
	must(t, d.Close())
}

// Where the status script cannot tell, nothing is started beside what may run, and
// nothing is stopped.
func TestWhereStatusCannotTellNothingIsChanged(t *testing.T) {
	for name, status := range map[string][]string{
		"it fails":       {"/bin/sh", "-c", "echo the disk is on fire; exit 1"},
		"it hangs":       {"/bin/sh", "-c", "echo the disk is on fire; sleep 1000"},
		"it is not here": {"/no/such/script"},
	} {
		t.Run(name, func(t *testing.T) {
			imap := service(t, "imap", "imap")
			good := imap.Scripts.Status
			dir := t.TempDir()
			d := open(t, dir, imap)
			must(t, d.Ensure(t.Context(), "imap"))
			answers(t, imap)
			must(t, d.Close())
			imap.Scripts.Status = status
			if name == "it hangs" {
				imap.Scripts.AnswerWithin = 2 * time.Second
			}
			d = open(t, dir, imap)
			_, seen := d.Observe(t.Context(), "imap")
			for verb, err := range map[string]error{
				"ensure": d.Ensure(t.Context(), "imap"),
				"drain":  d.Drain(t.Context(), "imap", time.Hour),
				"remove": d.Remove(t.Context(), "imap"),
				"adopt":  d.Adopt(t.Context(), "imap"),
				"look":   seen,
			} {
				if err == nil || !strings.Contains(err.Error(), "not known") || status[0] == "/bin/sh" && !strings.Contains(err.Error(), "on fire") {
					t.Errorf("%s: %v", verb, err)
				}
			}
			if got := said(t, imap); got != "start" {
				t.Fatalf("the script was run with %s", got)
			}
			answers(t, imap)
			must(t, d.Close())
			imap.Scripts.Status, imap.Scripts.AnswerWithin = good, 0
			d = open(t, dir, imap)
			must(t, d.Remove(t.Context(), "imap"))
			must(t, d.Close())
		})
	}
}

func TestAScriptThatFailsIsQuotedAndOneThatHangsIsEnded(t *testing.T) {
	imap := service(t, "imap", "imap")
	imap.Scripts.Start = []string{"/bin/sh", "-c", "echo no such certificate >&2; exit 4"}
	d := open(t, t.TempDir(), imap)
	err := d.Ensure(t.Context(), "imap")
	if err == nil || !strings.Contains(err.Error(), "no such certificate") || !strings.Contains(err.Error(), "status 4") {
		t.Fatal(err)
	}
	if o := observe(t, d, "imap"); o.Running {
		t.Fatalf("observed %+v", o)
	}
	must(t, d.Close())

	imap.Scripts.Start = []string{"/bin/sh", "-c", "sleep 1000 & wait"}
	imap.Scripts.StartWithin = 100 * time.Millisecond
	d = open(t, t.TempDir(), imap)
	if err := d.Ensure(t.Context(), "imap"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	must(t, d.Close())
}

func TestAStopThatStopsNothingIsAnError(t *testing.T) {
	imap := service(t, "imap", "imap")
	stop := imap.Scripts.Stop
	imap.Scripts.Stop = []string{"/bin/true"}
	dir := t.TempDir()
	d := open(t, dir, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	if err := d.Remove(t.Context(), "imap"); err == nil || !strings.Contains(err.Error(), "still runs") {
		t.Fatal(err)
	}
	if o := observe(t, d, "imap"); !o.Running {
		t.Fatalf("it runs on and is still this driver's to stop: %+v", o)
	}
	must(t, d.Close())
	imap.Scripts.Stop = stop
	d = open(t, dir, imap)
	must(t, d.Remove(t.Context(), "imap"))
	must(t, d.Close())
}

func TestAStartThatStartsNothingIsAnError(t *testing.T) {
	imap := service(t, "imap", "imap")
	imap.Scripts.Start = []string{"/bin/true"}
	d := open(t, t.TempDir(), imap)
	defer func() { must(t, d.Close()) }()
	if err := d.Ensure(t.Context(), "imap"); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Fatal(err)
	}
}

// What ended by itself and was then started by somebody else is not this driver's.
func TestWhatSomebodyElseStartedAfterACrashIsNotStopped(t *testing.T) {
	imap := service(t, "imap", "imap")
	d := open(t, t.TempDir(), imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	pid := observe(t, d, "imap").PID
	must(t, syscall.Kill(int(pid), syscall.SIGKILL))
	await.True(t, time.Minute, "its end is seen", func() bool { return !observe(t, d, "imap").Running })
	byHand(t, imap, "start")
	answers(t, imap)
	must(t, d.Remove(t.Context(), "imap"))
	answers(t, imap)
	if o := observe(t, d, "imap"); o.Running || !o.Adoptable {
		t.Fatalf("observed %+v", o)
	}
	must(t, d.Close())
}

func TestScriptsSeeNoMoreOfTheAgentThanTheyAreToSee(t *testing.T) {
	t.Setenv("TEST_SECRET", "word")
	t.Setenv("TEST_PASSED", "on")
	imap := service(t, "imap", "imap")
	imap.Scripts.PassEnv = []string{"TEST_PASSED", "TEST_NOT_SET"}
	d := open(t, t.TempDir(), imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	env, err := os.ReadFile(filepath.Join("/proc", strconv.FormatInt(observe(t, d, "imap").PID, 10), "environ"))
	must(t, err)
	if strings.Contains(string(env), "SECRET") || strings.Contains(string(env), "NOT_SET") {
		t.Fatalf("environment: %q", env)
	}
	if !strings.Contains(string(env), "TEST_PASSED=on") || !strings.Contains(string(env), "ROSTER_SERVICE=test/imap") {
		t.Fatalf("environment: %q", env)
	}
	must(t, d.Remove(t.Context(), "imap"))
	must(t, d.Close())
}

func TestSessionsAreCountedByTheScriptAndWhatItPrintsIsBounded(t *testing.T) {
	imap := service(t, "imap", "imap")
	imap.Scripts.Sessions = []string{"/bin/sh", "-c", "echo ' 3 '"}
	d := open(t, t.TempDir(), imap)
	must(t, d.Ensure(t.Context(), "imap"))
	if o := observe(t, d, "imap"); o.Sessions != 3 {
		t.Fatalf("observed %+v", o)
	}
	must(t, d.Remove(t.Context(), "imap"))
	must(t, d.Close())

	imap.Scripts.Sessions = []string{"/bin/sh", "-c", "yes | head -c 10000000"}
	d = open(t, t.TempDir(), imap)
	must(t, d.Ensure(t.Context(), "imap"))
	o := observe(t, d, "imap")
	if !strings.Contains(o.Detail, "whole number") || len(o.Detail) > 500 {
		t.Fatalf("observed %d bytes: %.500s", len(o.Detail), o.Detail)
	}
	must(t, d.Remove(t.Context(), "imap"))
	must(t, d.Close())
}

func TestADamagedRecordIsToldAtOnce(t *testing.T) {
	imap := service(t, "imap", "imap")
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "imap"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "imap", "exec.json"), []byte(`{"since"`), 0o600))
	if _, err := exec.New(exec.Config{Dir: dir, Services: []exec.Service{imap}}); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Fatal(err)
	}
}
