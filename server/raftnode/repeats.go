package raftnode

import (
	"fmt"
	"sync"
	"time"
)

// sayAgain is after how long a message that raft repeats for as long as a
// member is away is written again.
const sayAgain = 10 * time.Second

// repeated are the messages that raft writes many times a second while a member
// is away, with the argument that names it.
var repeated = map[string]string{
	"failed to heartbeat to":                        "peer",
	"failed to appendEntries to":                    "peer",
	"failed to make requestVote RPC":                "target",
	"Election timeout reached, restarting election": "",
}

// repeats holds back messages that were written a moment ago.
type repeats struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// again says that a message about the same member was written lately.
func (r *repeats) again(msg string, args []any, now time.Time) bool {
	naming, ok := repeated[msg]
	if !ok {
		return false
	}
	key := msg
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == naming {
			key += fmt.Sprint(" ", args[i+1])
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.last[key]; ok && now.Sub(last) < sayAgain {
		return true
	}
	r.last[key] = now // one for each member and message
	return false
}

func newRepeats() *repeats { return &repeats{last: map[string]time.Time{}} }
