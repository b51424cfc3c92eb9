package process_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/agent/driver"
	"roster/agent/driver/conformance"
	"roster/agent/driver/process"
	"roster/agent/probe"
	v1 "roster/proto/roster/v1"
)

func TestKeepsTheContract(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Subject {
		dir := t.TempDir()
		imap, smtp := service(t, "imap", "imap", ""), service(t, "smtp-inbound", "smtp", "")
		imap.Command.Adopt.PIDFile = filepath.Join(dir, "imap.pid")
		return conformance.Subject{
			ByHand:   func(t *testing.T, _ *v1.ServiceClaim) { byHand(t, imap) },
			Open:     func(t *testing.T) driver.Driver { return open(t, dir, imap, smtp) },
			IMAP:     &v1.ServiceClaim{Name: "imap", Endpoints: imap.Endpoints},
			SMTP:     &v1.ServiceClaim{Name: "smtp-inbound", Endpoints: smtp.Endpoints},
			Outlives: true,
		}
	})
}

func answers(t *testing.T, s process.Service) {
	t.Helper()
	eventually(t, s.Name+" answers", func() bool { return probe.Check(t.Context(), s.Endpoints[0]) == nil })
}

func TestAProcessHasASessionOfItsOwnAndSaysWhoseItIs(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	dir := t.TempDir()
	d := open(t, dir, imap)
	defer wipe(t, d, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	pid := int(observe(t, d, "imap").PID)
	if sid, err := sessionID(pid); err != nil || sid != pid {
		t.Fatalf("process %d is in session %d (%v)", pid, sid, err)
	}
	env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	must(t, err)
	if !strings.Contains(string(env), "ROSTER_SERVICE=test/imap") {
		t.Fatalf("environment: %q", env)
	}
	if strings.Contains(string(env), "GOFLAGS") || strings.Contains(string(env), "SECRET") {
		t.Fatalf("the agent's environment was passed on: %q", env)
	}
}

// The record of a service whose pid is another process by now must never lead to a
// signal, nor count as running.
func TestAProcessThatOnlyHasThePidIsNotAdoptedAndNotSignalled(t *testing.T) {
	stranger := exec.Command("sleep", "1000")
	must(t, stranger.Start())
	gone := make(chan error, 1)
	go func() { gone <- stranger.Wait() }()
	defer func() { _, _ = stranger.Process.Kill(), <-gone }()

	imap := service(t, "imap", "imap", "")
	dir := t.TempDir()
	d := open(t, dir, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	record := filepath.Join(dir, "imap", "process.json")
	text, err := os.ReadFile(record)
	must(t, err)
	wipe(t, d, imap)

	var fields map[string]any
	must(t, json.Unmarshal(text, &fields))
	fields["pid"] = stranger.Process.Pid
	text, err = json.Marshal(fields)
	must(t, err)
	must(t, os.WriteFile(record, text, 0o600))

	d = open(t, dir, imap)
	defer wipe(t, d, imap)
	if o := observe(t, d, "imap"); o.Running {
		t.Fatalf("adopted a stranger: %+v", o)
	}
	must(t, d.Remove(t.Context(), "imap"))
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	must(t, d.Remove(t.Context(), "imap"))
	select {
	case err := <-gone:
		t.Fatalf("the stranger was ended: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
}

func TestARecordOfAnotherBootIsNotAdopted(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	dir := t.TempDir()
	d := open(t, dir, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	pid := int(observe(t, d, "imap").PID)
	must(t, d.Close())
	record := filepath.Join(dir, "imap", "process.json")
	text, err := os.ReadFile(record)
	must(t, err)
	var fields map[string]any
	must(t, json.Unmarshal(text, &fields))
	fields["boot_id"] = "another"
	other, err := json.Marshal(fields)
	must(t, err)
	must(t, os.WriteFile(record, other, 0o600))

	d = open(t, dir, imap)
	if o := observe(t, d, "imap"); o.Running {
		t.Fatalf("adopted: %+v", o)
	}
	// What answers there is somebody else's then: no second copy beside it.
	if err := d.Ensure(t.Context(), "imap"); !errors.Is(err, driver.ErrPortTaken) {
		t.Fatalf("ensure: %v", err)
	}
	must(t, d.Close())
	must(t, os.WriteFile(record, text, 0o600))
	d = open(t, dir, imap)
	if o := observe(t, d, "imap"); int(o.PID) != pid {
		t.Fatalf("not adopted: %+v", o)
	}
	wipe(t, d, imap)
}

func TestADamagedRecordChangesNothingAndSaysWhatToDo(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "imap"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "imap", "process.json"), []byte(`{"pid": 12`), 0o600))
	d := open(t, dir, imap)
	defer func() { must(t, d.Close()) }()
	for verb, err := range map[string]error{
		"ensure": d.Ensure(t.Context(), "imap"),
		"drain":  d.Drain(t.Context(), "imap", 0),
		"remove": d.Remove(t.Context(), "imap"),
	} {
		if err == nil || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// An agent that dies between the fork and the record leaves nothing behind: the new
// process waits for a word that never comes.
func TestWithoutARecordNoProcessRuns(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	dir := t.TempDir()
	d := open(t, dir, imap)
	defer wipe(t, d, imap)
	// A folder in the way of the record: it cannot be written.
	record := filepath.Join(dir, "imap", "process.json")
	must(t, os.MkdirAll(filepath.Join(record, "full"), 0o700))
	if err := d.Ensure(t.Context(), "imap"); err == nil {
		t.Fatal("started without a record")
	}
	if o := observe(t, d, "imap"); o.Running {
		t.Fatalf("observed %+v", o)
	}
	if err := probe.Check(t.Context(), imap.Endpoints[0]); !errors.Is(err, probe.ErrRefused) {
		t.Fatalf("probe: %v", err)
	}
	must(t, os.RemoveAll(record))
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
}

func TestAProcessThatEndsIsToldWithItsStatusAndLastWords(t *testing.T) {
	imap := service(t, "imap", "imap", "exit at once")
	d := open(t, t.TempDir(), imap)
	defer wipe(t, d, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	if ended := d.Ended("imap"); ended != nil {
		<-ended
	}
	o := observe(t, d, "imap")
	if o.Running || !strings.Contains(o.Detail, "status 7") || !strings.Contains(o.Detail, "on fire") {
		t.Fatalf("observed %+v", o)
	}
}

func TestADaemonThatPrintedNothingIsSaidToHave(t *testing.T) {
	imap := service(t, "imap", "imap", "exit at once")
	dir := t.TempDir()
	d := open(t, dir, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	eventually(t, "it is gone", func() bool { return strings.Contains(observe(t, d, "imap").Detail, "on fire") })
	wipe(t, d, imap)
	// The log has the words of the one before; they are not this one's.
	imap.Command.Argv, imap.Command.Env = []string{"/bin/sh", "-c", "exit 3"}, nil
	d = open(t, dir, imap)
	defer wipe(t, d, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	want := "it exited with status 3; it printed nothing to " + filepath.Join(dir, "imap", "output.log") + "; look in the daemon's own log"
	eventually(t, "it is gone", func() bool {
		o := observe(t, d, "imap")
		return !o.Running && strings.Contains(o.Detail, want)
	})
	if d.Ended("imap") != nil {
		t.Fatal("what crashed has an end to wait for")
	}
}

func TestACrashedProcessIsStartedAnew(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	d := open(t, t.TempDir(), imap)
	defer wipe(t, d, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	first := observe(t, d, "imap").PID
	ended := d.Ended("imap")
	must(t, syscall.Kill(int(first), syscall.SIGKILL))
	<-ended
	if o := observe(t, d, "imap"); o.Running {
		t.Fatalf("observed %+v", o)
	}
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	if second := observe(t, d, "imap").PID; second == first {
		t.Fatal("it was not started anew")
	}
}

func TestAnAdoptedProcessThatEndsIsTold(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	dir := t.TempDir()
	d := open(t, dir, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	must(t, d.Close())
	d = open(t, dir, imap)
	defer wipe(t, d, imap)
	ended := d.Ended("imap")
	must(t, syscall.Kill(int(observe(t, d, "imap").PID), syscall.SIGKILL))
	<-ended
}

func TestWhatADeadProcessLeftOnThePortIsEnded(t *testing.T) {
	imap := service(t, "imap", "imap", "leaves a child")
	imap.Command.KillAfter = 100 * time.Millisecond
	d := open(t, t.TempDir(), imap)
	defer wipe(t, d, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	ended := d.Ended("imap")
	must(t, syscall.Kill(int(observe(t, d, "imap").PID), syscall.SIGKILL))
	<-ended
	must(t, probe.Check(t.Context(), imap.Endpoints[0])) // the child answers
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
}

func TestWhatDoesNotEndIsKilledWithItsSession(t *testing.T) {
	for _, fault := range []string{"ignores TERM", "leaves a child"} {
		t.Run(fault, func(t *testing.T) {
			imap := service(t, "imap", "imap", fault)
			imap.Command.KillAfter = 100 * time.Millisecond
			d := open(t, t.TempDir(), imap)
			defer wipe(t, d, imap)
			must(t, d.Ensure(t.Context(), "imap"))
			answers(t, imap)
			must(t, d.Remove(t.Context(), "imap"))
			if err := probe.Check(t.Context(), imap.Endpoints[0]); !errors.Is(err, probe.ErrRefused) {
				t.Fatalf("probe: %v", err)
			}
		})
	}
}

func TestCommandsOfTheConfigAreUsed(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	dir := t.TempDir()
	file := filepath.Join(dir, "said")
	say := func(word string) []string { return []string{"/bin/sh", "-c", "echo " + word + " >> " + file} }
	imap.Command.Prepare = [][]string{say("prepare"), say("again")}
	imap.Command.Drain, imap.Command.Undrain = say("drain"), say("undrain")
	imap.Command.Active = []string{"/bin/sh", "-c", "echo ' 3 '"}
	imap.Command.Stop = []string{"/bin/sh", "-c", "echo stop >> " + file + "; kill $ROSTER_PID"}
	d := open(t, dir, imap)
	defer func() { must(t, d.Close()) }()
	ctx := t.Context()
	must(t, d.Ensure(ctx, "imap"))
	answers(t, imap)
	if o := observe(t, d, "imap"); o.Sessions != 3 {
		t.Fatalf("observed %+v", o)
	}
	must(t, d.Drain(ctx, "imap", 0))
	must(t, d.Undrain(ctx, "imap"))
	must(t, d.Remove(ctx, "imap"))
	said, err := os.ReadFile(file)
	must(t, err)
	if got, want := strings.Fields(string(said)), "prepare again drain undrain stop"; strings.Join(got, " ") != want {
		t.Fatalf("commands: %v, want %s", got, want)
	}
}

func TestACommandThatFailsIsQuoted(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	imap.Command.Prepare = [][]string{{"/bin/sh", "-c", "echo no such certificate >&2; exit 3"}}
	d := open(t, t.TempDir(), imap)
	defer wipe(t, d, imap)
	err := d.Ensure(t.Context(), "imap")
	if err == nil || !strings.Contains(err.Error(), "no such certificate") || !strings.Contains(err.Error(), "status 3") {
		t.Fatal(err)
	}
	imap.Command.Prepare = nil
	imap.Command.Argv = []string{"/no/such/daemon"}
	d2 := open(t, t.TempDir(), imap)
	defer wipe(t, d2, imap)
	if err := d2.Ensure(t.Context(), "imap"); err == nil || !strings.Contains(err.Error(), "argv") {
		t.Fatal(err)
	}
}

func TestACommandThatHangsEndsWithItsContext(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	imap.Command.Prepare = [][]string{{"/bin/sh", "-c", "sleep 1000"}}
	d := open(t, t.TempDir(), imap)
	defer wipe(t, d, imap)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.Ensure(ctx, "imap"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if o := observe(t, d, "imap"); o.Running {
		t.Fatalf("observed %+v", o)
	}
}

func TestAListenerOnEveryAddressTakesThePort(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	l, err := net.Listen("tcp", net.JoinHostPort("0.0.0.0", strconv.Itoa(int(imap.Endpoints[0].GetPort()))))
	must(t, err)
	defer func() { _ = l.Close() }()
	d := open(t, t.TempDir(), imap)
	defer wipe(t, d, imap)
	if err := d.Ensure(t.Context(), "imap"); !errors.Is(err, driver.ErrPortTaken) {
		t.Fatalf("ensure: %v", err)
	}
}

func TestAProcessOfAnEarlierConfigIsAdoptedAndSaysSo(t *testing.T) {
	imap := service(t, "imap", "imap", "")
	dir := t.TempDir()
	d := open(t, dir, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	answers(t, imap)
	must(t, d.Close())
	imap.Command.Argv = append(imap.Command.Argv, "-test.v")
	d = open(t, dir, imap)
	defer wipe(t, d, imap)
	must(t, d.Ensure(t.Context(), "imap"))
	if o := observe(t, d, "imap"); !strings.Contains(o.Detail, "earlier config") {
		t.Fatalf("observed %+v", o)
	}
}

func sessionID(pid int) (int, error) {
	id, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(id), nil
}
