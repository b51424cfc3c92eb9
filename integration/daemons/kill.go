package daemons

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killBound bounds the end of what was killed.
const killBound = 10 * time.Second

// PIDFile is where the daemon writes its pid.
func (i *Instance) PIDFile() string {
	if i.Service == "imap" {
		return filepath.Join(i.Dir, "run", "master.pid")
	}
	return filepath.Join(i.Dir, "queue", "pid", "master.pid")
}

// PID is the daemon's first process, by its own pid file; 0 where none runs.
func (i *Instance) PID() (int, error) {
	text, err := os.ReadFile(i.PIDFile())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the pid file of %s: %w", i.Name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("pid file of %s: %w", i.Name, err)
	}
	// The file outlives the process, and the kernel gives ids out again.
	if argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || !bytes.Contains(argv, []byte(i.Dir)) {
		return 0, nil
	}
	return pid, nil
}

// Kill ends the daemon and every process of its session, and waits.
func (i *Instance) Kill() error {
	pid, err := i.PID()
	if err != nil || pid == 0 {
		return err
	}
	session := sessionOf(pid)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end %s: %w", i.Name, err)
	}
	for deadline := time.Now().Add(killBound); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if left := ofSession(session); len(left) == 0 {
			return nil
		} else if sessionOf(pid) == 0 {
			// The first is gone and cannot look after the others any more.
			for _, p := range left {
				_ = syscall.Kill(p, syscall.SIGKILL) // gone is what we want
			}
		}
	}
	for _, p := range ofSession(session) {
		_ = syscall.Kill(p, syscall.SIGKILL) // gone is what we want
	}
	return fmt.Errorf("%s did not end within %v of SIGTERM and was killed", i.Name, killBound)
}

// sessionOf is the session id of a process; 0 where it is gone or a zombie.
func sessionOf(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// pid (name, which may have spaces) state ppid pgrp session …
	_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 4 || fields[0] == "Z" {
		return 0
	}
	session, err := strconv.Atoi(fields[3])
	if err != nil {
		return 0
	}
	return session
}

// ofSession lists the living processes of a session.
func ofSession(session int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil || session == 0 {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && sessionOf(pid) == session {
			pids = append(pids, pid)
		}
	}
	return pids
}
