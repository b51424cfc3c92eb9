package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestASignalReachesOnlyTheProcessOfItsRecord(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { defer close(gone); _ = cmd.Wait() }()
	seen, err := readStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := send(seen.pid, seen.start+1, unix.SIGKILL); !errors.Is(err, errOther) {
		t.Fatalf("signal to another process of that pid: %v", err)
	}
	r := &record{PID: seen.pid, Start: seen.start, Boot: bootID()}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := awaitEnd(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("await the end of what lives: %v", err)
	}
	if err := send(seen.pid, seen.start, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := awaitEnd(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	<-gone
	if err := send(seen.pid, seen.start, unix.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("signal to what is gone: %v", err)
	}
}

func TestStatIsReadWhateverTheProgramIsCalled(t *testing.T) {
	const rest = " S 1 77 78 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 99 100"
	for _, name := range []string{"(imap)", "(a) b)", "()", "(x) R 1 2 3)"} {
		s, err := parseStat(12, "12 "+name+rest)
		if err != nil || s.state != 'S' || s.session != 78 || s.start != 4242 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for _, text := range []string{"", "12 (x", "12 (x) S 1"} {
		if _, err := parseStat(12, text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
