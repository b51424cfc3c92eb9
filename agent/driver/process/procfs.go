package process

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// stat is the part of /proc/PID/stat that tells processes apart (proc_pid_stat(5)).
type stat struct {
	pid     int
	state   byte
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
	const state, session, threads, start = 3, 6, 20, 22
	if !ok || len(fields) <= start-state {
		return stat{}, fmt.Errorf("stat of process %d cannot be read", pid)
	}
	s := stat{pid: pid, state: fields[0][0]}
	var err error
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
		if s, err := readStat(pid); err == nil && s.session == id && !s.ended() {
			found = append(found, s)
		}
	}
	return found
}

// States of sockets in /proc/net/tcp.
const (
	established = "01"
	listening   = "0A"
)

// socket is a row of /proc/net/tcp or tcp6.
type socket struct {
	ip    net.IP
	port  uint32
	inode string
}

// sockets lists the TCP sockets of this network namespace that are in a state.
func sockets(state string) ([]socket, error) {
	var found []socket
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(path)
		if err != nil {
			if os.IsNotExist(err) {
				continue // a kernel without IPv6
			}
			return nil, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if s, ok := parseSocket(lines.Text(), state); ok {
				found = append(found, s)
			}
		}
		err = lines.Err()
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func parseSocket(line, state string) (socket, bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != state {
		return socket{}, false
	}
	host, port, ok := strings.Cut(fields[1], ":")
	if !ok {
		return socket{}, false
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return socket{}, false
	}
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return socket{}, false
	}
	// The kernel prints each 32-bit word in the byte order of the machine; every
	// machine that this runs on is little-endian.
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	return socket{ip: net.IP(raw), port: uint32(n), inode: fields[9]}, true
}

// holds says whether a process has one of the sockets open.
func holds(pid int, inodes []string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		link, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if inode, ok := strings.CutPrefix(link, "socket:["); ok && slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			return true
		}
	}
	return false
}
