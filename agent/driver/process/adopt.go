package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"roster/agent/driver/sockets"
)

var (
	// errNotOurs: the pid file names a process that is no copy of this service.
	errNotOurs = errors.New("the pid file names another program's process")
	// errElsewhere: a copy of the daemon that cannot be this service as it is.
	errElsewhere = errors.New("it does not serve where this service should")
)

// takeOver makes the daemon of the pid file this service's, if one runs; false and no
// error where none does. It touches nothing but the record.
func (s *service) takeOver() (bool, error) {
	r, err := s.foreign()
	switch {
	case errors.Is(err, errNotOurs):
		return false, nil // the file is left over; the port says whether there is room
	case err != nil || r == nil:
		return false, err
	}
	if err := r.write(s.dir); err != nil {
		return false, err
	}
	s.watch(r)
	return true, nil
}

// foreign is the process that the pid file names, as a record that is not on disk; nil
// where there is none. A pid alone proves nothing, so what it names has to run the
// program of argv, to hold the service's port if anything does, and to be in reach of
// this agent's signals.
func (s *service) foreign() (*record, error) {
	path := s.Command.Adopt.PIDFile
	if path == "" {
		return nil, nil
	}
	pid, err := readPID(path)
	if err != nil || pid == 0 {
		return nil, err
	}
	seen, err := readStat(pid)
	if err != nil || seen.ended() {
		return nil, nil // it is gone, its file is left over
	}
	if err := s.runs(pid); err != nil {
		return nil, fmt.Errorf("pid file %s: process %d: %w", path, pid, err)
	}
	if err := s.listens(pid); err != nil {
		return nil, fmt.Errorf("pid file %s: process %d runs %s, but %w: it is left alone, and no second copy is started; stop it, or let it listen there",
			path, pid, s.Command.Argv[0], err)
	}
	if err := unix.Kill(pid, 0); errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("pid file %s: process %d belongs to another user, and this agent may not signal it: run the agent as that user or as root", path, pid)
	}
	// All of it was true of one process, and not of two that had the pid in turn.
	if again, err := readStat(pid); err != nil || again.start != seen.start || again.ended() {
		return nil, nil
	}
	r := &record{PID: pid, Start: seen.start, Boot: bootID(), Argv: s.Command.Argv, Adopted: true, Began: time.Now().UTC()}
	if info, err := os.Stat(s.logPath()); err == nil {
		r.LogAt = info.Size()
	}
	return r, nil
}

// readPID reads the first line of a pid file; 0 where there is no file.
func readPID(path string) (int, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the pid file: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, fmt.Errorf("read the pid file: %w", err)
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	pid, err := strconv.Atoi(strings.TrimSpace(string(line)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("pid file %s does not begin with a pid: correct `adopt.pid_file` in this agent's config", path)
	}
	return pid, nil
}

// runs says whether a process runs the program of argv: it is its executable, or, of a
// script, what the interpreter was given.
func (s *service) runs(pid int) error {
	want, err := exec.LookPath(s.Command.Argv[0])
	if err != nil {
		return fmt.Errorf("%w: correct `argv` in this agent's config, or install it", err)
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	if same(want, filepath.Join(dir, "exe")) {
		return nil
	}
	is, err := os.Readlink(filepath.Join(dir, "exe"))
	if err != nil {
		return fmt.Errorf("what it runs cannot be seen (%w): run the agent as its user or as root", err)
	}
	// A package that was upgraded since has another file in the same place.
	if resolved, err := filepath.EvalSymlinks(want); err == nil && strings.TrimSuffix(is, " (deleted)") == resolved {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return fmt.Errorf("what it runs cannot be seen: %w", err)
	}
	// The interpreter, up to two options of its, and the script.
	words := strings.SplitN(string(text), "\x00", 5)
	for _, word := range words[:min(4, len(words))] {
		if filepath.IsAbs(word) && same(want, word) {
			return nil
		}
	}
	return fmt.Errorf("%w: it runs %s, `argv` runs %s", errNotOurs, is, want)
}

// same says whether both paths are one file.
func same(x, y string) bool {
	a, err := os.Stat(x)
	if err != nil {
		return false
	}
	b, err := os.Stat(y)
	return err == nil && os.SameFile(a, b)
}

// listens says whether the process, or one that it started, holds the service's port.
func (s *service) listens(pid int) error {
	open, err := sockets.At(sockets.Listening, s.Endpoints)
	if err != nil {
		return fmt.Errorf("look for listeners: %w", err)
	}
	if sockets.Held(pid, open) {
		return nil
	}
	for _, p := range descendants(pid) {
		if sockets.Held(p.pid, open) {
			return nil
		}
	}
	return errElsewhere
}
