// Package loopback hands out what tests of real processes need from the machine:
// ports on 127.0.0.1 and short folders that daemons may enter. It must not know
// what they are used for. Its functions may be called by many tests and by many
// processes at once: no port is handed out twice while the first that got it runs.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
)

// Host is where everything listens.
const Host = "127.0.0.1"

// Ports come from below the range that the kernel takes for outgoing
// connections, and from below those of roster dev, so that a port that is closed
// for a moment is not taken by either.
const (
	firstPort = 12000
	lastPort  = 19999
)

// held keeps a UDP socket of each port's number until the process ends, so that
// other processes that ask are not given the same port while its owner is not
// listening on it, as between two lives of a member. Nothing of Roster's and no
// mail daemon uses UDP.
var (
	mu   sync.Mutex
	held []net.PacketConn
)

// Ports returns n ports that nothing listens on.
func Ports(t testing.TB, n int) []int {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 100*n+1000 {
			t.Fatalf("found only %d of %d free ports", len(ports), n)
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		claim, err := net.ListenPacket("udp", Address(port))
		if err != nil {
			continue
		}
		listener, err := net.Listen("tcp", Address(port))
		if err != nil {
			_ = claim.Close() // not kept: another program listens there
			continue
		}
		_ = listener.Close() // nothing was accepted
		held = append(held, claim)
		ports = append(ports, port)
	}
	return ports
}

// FreeAddress is host:port of a port that nothing listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return Address(Ports(t, 1)[0])
}

// Address is host:port on loopback.
func Address(port int) string { return net.JoinHostPort(Host, strconv.Itoa(port)) }

// Dir makes a folder that goes away with the test. Its path is short, since
// daemons put Unix sockets into it (108 bytes at most), and other users may
// enter it, since daemons change to theirs.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "roster")
	if err != nil {
		t.Fatal(fmt.Errorf("make a folder: %w", err))
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(fmt.Errorf("open the folder to daemons: %w", err))
	}
	t.Cleanup(func() {
		if os.Getenv("ROSTER_TEST_KEEP") != "" {
			t.Logf("kept %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	return dir
}
