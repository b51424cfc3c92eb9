package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// stat is the part of /proc/PID/stat that tells processes apart (proc_pid_stat(5)).
type stat struct {
	pid     int
	state   byte
	parent  int
	session int
	start   uint64
	threads int
}

// ended says that nothing of the process runs any more. Its first thread may
// end before the others, which still hold its ports.
func (s stat) ended() bool {
	return s.threads <= 1 && (s.state == 'Z' || s.state == 'X' || s.state == 'x')
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(pid, string(text))
}

// parseStat reads the fields behind the program's name, which may hold anything.
func parseStat(pid int, text string) (stat, error) {
	_, rest, ok := cutLast(text, ") ")
	fields := strings.Fields(rest)
	const state, parent, session, threads, start = 3, 4, 6, 20, 22
	if !ok || len(fields) <= start-state {
		return stat{}, fmt.Errorf("stat of process %d cannot be read", pid)
	}
	s := stat{pid: pid, state: fields[0][0]}
	var err error
	if s.parent, err = strconv.Atoi(fields[parent-state]); err != nil {
		return stat{}, fmt.Errorf("parent of process %d: %w", pid, err)
	}
	if s.session, err = strconv.Atoi(fields[session-state]); err != nil {
		return stat{}, fmt.Errorf("session of process %d: %w", pid, err)
	}
	if s.threads, err = strconv.Atoi(fields[threads-state]); err != nil {
		return stat{}, fmt.Errorf("threads of process %d: %w", pid, err)
	}
	if s.start, err = strconv.ParseUint(fields[start-state], 10, 64); err != nil {
		return stat{}, fmt.Errorf("start time of process %d: %w", pid, err)
	}
	return s, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// bootID names this boot of the kernel.
var bootID = sync.OnceValue(func() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
})

// sessionOf lists the live processes of a session.
func sessionOf(id int) []stat {
	var found []stat
	for _, s := range processes() {
		if s.session == id {
			found = append(found, s)
		}
	}
	return found
}

// descendants lists the live processes that come from a process, without it.
func descendants(of int) []stat {
	children := make(map[int][]stat)
	for _, s := range processes() {
		children[s.parent] = append(children[s.parent], s)
	}
	var found []stat
	for next := children[of]; len(next) > 0; next = next[1:] {
		found = append(found, next[0])
		next = append(next, children[next[0].pid]...)
	}
	return found
}

// processes lists the live processes that this one may see.
func processes() []stat {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []stat
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil && !s.ended() {
			found = append(found, s)
		}
	}
	return found
}
