package agent

import (
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// board is what the agent reports: a line per service, and the newest set whose
// changes have been begun. Both are read together, so a heartbeat never shows a
// service as serving under a set that restarts it.
type board struct {
	mu                sync.Mutex
	lines             map[string]*line
	groups            map[string]*group
	epoch, generation uint64
	frozen            string
	isAhead           bool
	// changed holds one token while there is news that no heartbeat has told.
	changed chan struct{}
	// unseen counts configured services without a first report; seen is closed at 0.
	unseen int
	seen   chan struct{}
}

// line is one service. Its report is never changed, only replaced.
type line struct {
	report *v1.ServiceReport
	// group is the restart group, or nil.
	group *group
	// token is raised when the service is restarted: a probe that began before
	// proves nothing any more.
	token uint64
	// configured is false for what a set names and this agent cannot run.
	configured bool
	seen       bool
}

// group is a restart group: whatever starts or stops in it restarts all of it.
type group struct {
	members []string
	// pending are members whose start or stop was begun and has not been tried
	// yet, with the set that asked for it. Until there is none, no member serves.
	pending map[string]setID
}

type setID struct{ epoch, generation uint64 }

func newBoard(claims []*v1.ServiceClaim) *board {
	b := &board{
		lines:   make(map[string]*line),
		groups:  make(map[string]*group),
		changed: make(chan struct{}, 1),
		seen:    make(chan struct{}),
		unseen:  len(claims),
	}
	if b.unseen == 0 {
		close(b.seen)
	}
	for _, c := range claims {
		l := &line{report: &v1.ServiceReport{Service: c.GetName()}, configured: true}
		if name := c.GetRestartGroup(); name != "" {
			g := b.groups[name]
			if g == nil {
				g = &group{pending: make(map[string]setID)}
				b.groups[name] = g
			}
			g.members = append(g.members, c.GetName())
			l.group = g
		}
		b.lines[c.GetName()] = l
	}
	return b
}

func (b *board) tell() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// begin notes that the changes of a set are begun: what they restart is reported as
// starting from now on, and only then the set as held. before is nil where none was.
// Where the agent does not act nothing is restarted.
func (b *board) begin(before, set *v1.AssignmentSet, acts bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was, is := ordersOf(before), ordersOf(set)
	for name, l := range b.lines {
		if !l.configured {
			delete(b.lines, name)
			continue
		}
		_, ran := was[name]
		_, runs := is[name]
		if acts && l.group != nil && (before == nil || ran != runs) {
			l.group.pending[name] = setID{set.GetEpoch(), set.GetGeneration()}
			b.disturb(l.group, "")
		}
	}
	for name := range is {
		if b.lines[name] == nil {
			b.lines[name] = &line{report: &v1.ServiceReport{
				Service: name,
				State:   v1.ServiceState_SERVICE_STATE_FAILING,
				Since:   timestamppb.Now(),
				Detail:  "this agent's config does not have it: add it there, or take it from the topology",
			}}
		}
	}
	b.epoch, b.generation = set.GetEpoch(), set.GetGeneration()
	b.tell()
}

// freeze reports why the host is frozen; empty: it is not.
func (b *board) freeze(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.frozen != why {
		b.frozen = why
		b.tell()
	}
}

// ahead reports whether the held set is newer than what members send.
func (b *board) ahead(is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isAhead != is {
		b.isAhead = is
		b.tell()
	}
}

// disturb resets what the members of a group report, but for the one that does it.
func (b *board) disturb(g *group, but string) {
	for _, name := range g.members {
		l := b.lines[name]
		if name == but {
			continue
		}
		l.token++
		if l.report.GetState() == v1.ServiceState_SERVICE_STATE_SERVING {
			l.set(&v1.ServiceReport{Service: name, State: v1.ServiceState_SERVICE_STATE_STARTING, Detail: "its restart group restarts"})
			b.tell()
		}
	}
}

// restarted notes that a member restarted its group, and returns the others.
func (b *board) restarted(service string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.lines[service].group
	if g == nil {
		return nil
	}
	b.disturb(g, service)
	return slices.DeleteFunc(slices.Clone(g.members), func(m string) bool { return m == service })
}

// tried notes that what a set asks of a service was tried once, and returns the
// members of its group if they may serve again.
func (b *board) tried(service string, o order) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.lines[service].group
	if g == nil || !o.known {
		return nil
	}
	id, pending := g.pending[service]
	if !pending || newer(id.epoch, id.generation, o.epoch, o.generation) {
		return nil
	}
	delete(g.pending, service)
	if len(g.pending) > 0 {
		return nil
	}
	return slices.Clone(g.members)
}

// token is what a probe that begins now must bring back.
func (b *board) token(service string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines[service].token
}

// state is what is reported of a service.
func (b *board) state(service string) v1.ServiceState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines[service].report.GetState()
}

// put reports a service.
func (b *board) put(service string, state v1.ServiceState, o driver.Observation, detail string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.putLocked(service, state, o, detail)
}

// serves reports that a probe passed which began at token; false where the service
// was restarted meanwhile, or is about to be.
func (b *board) serves(service string, token uint64, o driver.Observation, detail string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lines[service]
	if l.token != token || l.group != nil && len(l.group.pending) > 0 {
		b.putLocked(service, v1.ServiceState_SERVICE_STATE_STARTING, o, "its restart group restarts")
		return false
	}
	b.putLocked(service, v1.ServiceState_SERVICE_STATE_SERVING, o, detail)
	return true
}

func (b *board) putLocked(service string, state v1.ServiceState, o driver.Observation, detail string) {
	l := b.lines[service]
	if !l.seen {
		l.seen = true
		if b.unseen--; b.unseen == 0 {
			close(b.seen)
		}
	}
	was := l.report
	detail = readable(detail)
	l.set(&v1.ServiceReport{Service: service, State: state, Sessions: o.Sessions, Pid: o.PID, Detail: detail})
	if was.GetState() != state || was.GetPid() != o.PID || was.GetDetail() != detail {
		b.tell()
	}
}

// readable bounds what daemons, scripts and drivers said: a heartbeat that is no text, or
// too long, would end the session.
func readable(detail string) string {
	const most = 1000
	if detail = strings.ToValidUTF8(detail, "?"); len(detail) > most {
		detail = strings.ToValidUTF8(detail[:most], "") + "…"
	}
	return detail
}

// set replaces the report; since stays while the state does.
func (l *line) set(r *v1.ServiceReport) {
	if r.Since = l.report.GetSince(); r.Since == nil || l.report.GetState() != r.GetState() {
		r.Since = timestamppb.New(time.Now())
	}
	l.report = r
}

// heartbeat is everything that a heartbeat tells, but for its sequence; what it tells
// is no news any more.
func (b *board) heartbeat() *v1.Heartbeat {
	select {
	case <-b.changed:
	default:
	}
	return b.peek()
}

// peek is what a heartbeat would tell now.
func (b *board) peek() *v1.Heartbeat {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &v1.Heartbeat{Epoch: b.epoch, Generation: b.generation, Frozen: b.frozen, Ahead: b.isAhead, Reports: make([]*v1.ServiceReport, 0, len(b.lines))}
	for _, l := range b.lines {
		h.Reports = append(h.Reports, l.report)
	}
	slices.SortFunc(h.Reports, func(x, y *v1.ServiceReport) int {
		return strings.Compare(x.GetService(), y.GetService())
	})
	return h
}
