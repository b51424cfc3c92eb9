package members

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/integration/cluster"
)

const (
	dialEvery = 100 * time.Millisecond
	// dialWithin is far more than a server on this machine needs.
	dialWithin = 20 * time.Second
)

// outside dials endpoints all the time: each must answer each time.
type outside struct {
	t    *testing.T
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	dials  int
	failed []string
}

// dialAll dials what a status lists as ready, but for some nodes, until its end.
func dialAll(t *testing.T, status *cluster.Status, but ...string) *outside {
	t.Helper()
	o := &outside{t: t, stop: make(chan struct{})}
	for _, e := range status.Endpoints {
		if slices.Contains(but, e.Node) {
			continue
		}
		if e.State != "ready" {
			t.Fatalf("%s of %s is %s", e.Service, e.Node, e.State)
		}
		o.done.Go(func() {
			tick := time.NewTicker(dialEvery)
			defer tick.Stop()
			for {
				err := dial(e.Service, e.Address)
				o.mu.Lock()
				o.dials++
				if err != nil {
					o.failed = append(o.failed, fmt.Sprintf("%s of %s at %s: %v", e.Service, e.Node, time.Now().Format("15:04:05.000"), err))
				}
				o.mu.Unlock()
				select {
				case <-o.stop:
					return
				case <-tick.C:
				}
			}
		})
	}
	t.Cleanup(o.halt)
	return o
}

// dial connects, and reads the greeting where there is one.
func dial(service, address string) error {
	conn, err := net.DialTimeout("tcp", address, dialWithin)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it was read only
	if service != "imap" && service != "smtp-inbound" {
		return nil
	}
	if err := conn.SetReadDeadline(time.Now().Add(dialWithin)); err != nil {
		return err
	}
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err
}

func (o *outside) halt() {
	select {
	case <-o.stop:
	default:
		close(o.stop)
	}
	o.done.Wait()
}

// neverFailed ends the dialling, and the test fails unless each dial succeeded.
func (o *outside) neverFailed(what string) {
	o.t.Helper()
	o.halt()
	if len(o.failed) > 0 {
		o.t.Errorf("%s: %d of %d dials failed:\n%s", what, len(o.failed), o.dials, strings.Join(o.failed[:min(10, len(o.failed))], "\n"))
	}
	o.t.Logf("%s: %d dials from outside, %d failed", what, o.dials, len(o.failed))
}
