package session

import (
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"roster/server/rpc/problem"
)

// A member that thousands of agents reach at once, after another one died, lets
// in so many a second and sends the rest on: each handshake may cost a write.
const (
	DefaultHandshakes     = 500
	DefaultHandshakeBurst = 250
)

var errBusy = problem.New(codes.Unavailable, problem.Busy, "busy, try another member")

// admission is a bucket of tokens, one for each handshake.
type admission struct {
	rate, burst float64 // rate under 0: no bound

	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func newAdmission(rate, burst int) *admission {
	return &admission{rate: float64(rate), burst: float64(burst), tokens: float64(burst)}
}

// admits takes a token, if there is one.
func (a *admission) admits(now time.Time) bool {
	if a.rate < 0 {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.filled.IsZero() {
		a.tokens = min(a.burst, a.tokens+now.Sub(a.filled).Seconds()*a.rate)
	}
	a.filled = now
	if a.tokens < 1 {
		return false
	}
	a.tokens--
	return true
}
