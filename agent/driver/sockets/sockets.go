// Package sockets reads which TCP sockets of this host are at a service's endpoints.
// It owns the kernel's tables of sockets (proc_net(5)); it must not know drivers. It
// holds no state. Linux only.
package sockets

import (
	"bufio"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "roster/proto/roster/v1"
)

// State of a socket, as the kernel's tables write it.
type State string

// States that are asked for.
const (
	Established State = "01"
	Listening   State = "0A"
)

// Socket is a row of /proc/net/tcp or tcp6.
type Socket struct {
	IP    net.IP
	Port  uint32
	Inode string
}

// Address is host:port.
func (s Socket) Address() string {
	return net.JoinHostPort(s.IP.String(), strconv.FormatUint(uint64(s.Port), 10))
}

// At lists the sockets of this network namespace that are in a state at one of the
// endpoints.
func At(state State, endpoints []*v1.Endpoint) ([]Socket, error) {
	var found []Socket
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
			if s, ok := parse(lines.Text(), state); ok && at(s, endpoints) {
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

func at(s Socket, endpoints []*v1.Endpoint) bool {
	for _, e := range endpoints {
		if s.Port != e.GetPort() {
			continue
		}
		// A name may be any address of this host.
		if ip := net.ParseIP(e.GetHost()); ip == nil || s.IP.IsUnspecified() || s.IP.Equal(ip) {
			return true
		}
	}
	return false
}

func parse(line string, state State) (Socket, bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != string(state) {
		return Socket{}, false
	}
	host, port, ok := strings.Cut(fields[1], ":")
	if !ok {
		return Socket{}, false
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return Socket{}, false
	}
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return Socket{}, false
	}
	// The kernel prints each 32-bit word in the byte order of the machine; every
	// machine that this runs on is little-endian.
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	return Socket{IP: net.IP(raw), Port: uint32(n), Inode: fields[9]}, true
}

// Held says whether a process has one of the sockets open. One that this process may
// not look into has none.
func Held(pid int, all []Socket) bool {
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
		inode, ok := strings.CutPrefix(link, "socket:[")
		if ok && slices.ContainsFunc(all, func(s Socket) bool { return s.Inode == strings.TrimSuffix(inode, "]") }) {
			return true
		}
	}
	return false
}
