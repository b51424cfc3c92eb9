package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// errOther: the pid is another process by now.
var errOther = errors.New("it is another process by now")

// send signals exactly the process that began at start: the descriptor is opened
// first and compared after, so the pid cannot be used again in between.
func send(pid int, start uint64, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if s, err := readStat(pid); err != nil || s.ended() {
		return os.ErrProcessDone
	} else if s.start != start {
		return fmt.Errorf("signal process %d: %w", pid, errOther)
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return os.ErrProcessDone
		}
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// pollEvery is how often ends are looked for where the kernel does not tell.
const pollEvery = 250 * time.Millisecond

// awaitEnd returns when the process has ended, or with ctx's error.
func awaitEnd(ctx context.Context, r *record) error {
	if fd, err := unix.PidfdOpen(r.PID, unix.PIDFD_NONBLOCK); err == nil {
		// The runtime's poller waits: no thread is held.
		f := os.NewFile(uintptr(fd), "pidfd")
		defer func() { _ = f.Close() }()
		if raw, err := f.SyscallConn(); err == nil {
			stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
			defer stop()
			woken := false
			// The descriptor is readable once the process has ended.
			_ = raw.Read(func(uintptr) bool {
				defer func() { woken = true }()
				return woken || !r.alive()
			})
		}
	}
	for r.alive() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollEvery):
		}
	}
	return nil
}

// reap takes the exit status of a child of this process; "" where it is not one.
func reap(pid int) string {
	var status unix.WaitStatus
	got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
	switch {
	case err != nil || got != pid:
		return ""
	case status.Exited():
		return fmt.Sprintf("it exited with status %d", status.ExitStatus())
	case status.Signaled():
		return fmt.Sprintf("it was ended by signal %s", unix.SignalName(status.Signal()))
	}
	return ""
}
