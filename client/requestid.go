package client

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/google/uuid"
)

// TimeHeader is the response header that carries the cluster's time, in
// milliseconds since 1970.
const TimeHeader = "roster-time"

// clusterClock estimates the cluster's time: the newest that a reply told, and
// what has passed here since then. It is not used to decide anything but the
// order of request ids.
type clusterClock struct {
	mu sync.Mutex
	// told is the newest cluster time; zero before any reply.
	told time.Time
	// heard is when, by this machine's monotonic clock.
	heard time.Time
}

// tell notes a cluster time that a reply carried. An older one than is known by
// now changes nothing: replies of several members overtake each other.
func (c *clusterClock) tell(cluster, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told.IsZero() || cluster.After(c.told) {
		c.told, c.heard = cluster, now
	}
}

func (c *clusterClock) now(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told.IsZero() {
		return now
	}
	return c.told.Add(max(0, now.Sub(c.heard)))
}

// minter makes UUIDv7 (RFC 9562 §5.7) that rise strictly: 48 bits of
// milliseconds, 12 bits of a counter (§6.2, method 1), 62 random bits.
type minter struct {
	mu      sync.Mutex
	millis  uint64
	counter uint16
}

func (m *minter) next(now time.Time) string {
	var id uuid.UUID
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	m.mu.Lock()
	ms := uint64(max(0, now.UnixMilli()))
	switch {
	case ms > m.millis:
		// Half the counter's room is left, so that what follows fits.
		m.millis, m.counter = ms, binary.BigEndian.Uint16(id[6:])&0x7ff
	case m.counter < 0xfff:
		m.counter++
	default:
		m.millis, m.counter = m.millis+1, 0
	}
	ms, counter := m.millis, m.counter
	m.mu.Unlock()
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	binary.BigEndian.PutUint16(id[6:], 0x7000|counter)
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}
