package agent

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// errOtherCluster: the member belongs to another cluster than this agent.
var errOtherCluster = errors.New("member of another cluster")

// membership is what the agent knows of its cluster, and its file.
type membership struct {
	// configured are the members of the config; they stay candidates for ever.
	configured []string
	// loopbackOnly is true without TLS.
	loopbackOnly bool
	path         string

	mu     sync.Mutex
	memory memory
}

// clusterID is empty where the agent never was in a cluster.
func (m *membership) clusterID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.memory.welcome.GetClusterId()
}

// candidates are the addresses of all known members, in random order.
func (m *membership) candidates() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Concat(m.memory.welcome.GetMembers(), m.configured)
	slices.Sort(all)
	all = slices.Compact(all)
	if m.loopbackOnly {
		all = slices.DeleteFunc(all, func(a string) bool { return !isLoopback(a) })
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// welcome checks that a member belongs to the agent's cluster and remembers what it
// said. The first cluster that an agent meets is its own.
func (m *membership) welcome(w *v1.Welcome) error {
	if w.GetClusterId() == "" {
		return fmt.Errorf("%w: it did not say which", errOtherCluster)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	mine := m.memory.welcome
	if mine != nil && mine.GetClusterId() != w.GetClusterId() {
		return fmt.Errorf("%w: this agent belongs to %s (%s), the member to %s (%s); what runs is left as it is. "+
			"Correct `members`, or move this agent by giving it a new data folder",
			errOtherCluster, mine.GetCluster(), mine.GetClusterId(), w.GetCluster(), w.GetClusterId())
	}
	return m.keep(func(next *memory) { next.welcome = proto.CloneOf(w) })
}

// update remembers a newer list of members.
func (m *membership) update(members []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.memory.welcome == nil || len(members) == 0 {
		return nil
	}
	return m.keep(func(next *memory) {
		next.welcome = proto.CloneOf(next.welcome)
		next.welcome.Members = slices.Clone(members)
	})
}

// hold remembers a set, and the mode that this agent claimed when it was told it.
func (m *membership) hold(set *v1.AssignmentSet, mode v1.AgentMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keep(func(next *memory) { next.set, next.claimed = set, &v1.NodeClaims{Mode: mode} })
}

// keep changes the memory, and the file where that changes it. The memory is right
// even where the file could not be written.
func (m *membership) keep(change func(*memory)) error {
	was := m.memory
	change(&m.memory)
	if proto.Equal(was.welcome, m.memory.welcome) && proto.Equal(was.set, m.memory.set) && was.claimed.GetMode() == m.memory.claimed.GetMode() {
		return nil
	}
	return writeMemory(m.path, m.memory)
}

// isLoopback says whether an address, host:port, stays on this host.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
