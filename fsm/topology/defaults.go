package topology

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

// knownServices are the services that Roster has defaults for, in the order in
// which they are shown, with the upper bound of their drain in seconds.
var knownServices = []struct {
	name  string
	drain int64
}{
	{"imap", 10 * 60},
	{"jmap", 5 * 60},
	{"webdav", 2 * 60},
	{"smtp-inbound", 1 * 60},
	{"smtp-outbound", 30 * 60},
	{"submission", 2 * 60},
	{"pop3", otherDrain},
	{"managesieve", otherDrain},
	{"lmtp", otherDrain},
}

// otherDrain is the default bound of a drain, in seconds, of every service
// that the design gives no figure for.
const otherDrain = 5 * 60

// KnownServices lists the services that a file may name without declaring them.
func KnownServices() []string {
	names := make([]string, len(knownServices))
	for i, s := range knownServices {
		names[i] = s.name
	}
	return names
}

// Effective returns a copy with every default filled in: an entry for each
// service that a pool names, the whole policy but for a canary, and lend and min of each pool.
// What the file says is kept; entries that were added follow in the order in
// which the pools name them.
func Effective(t *v1.Topology) *v1.Topology {
	if t == nil {
		return nil
	}
	e := proto.CloneOf(t)
	for _, pool := range e.GetPools() {
		if pool.Lend == nil {
			pool.Lend = proto.Bool(true)
		}
		if pool.Min == nil {
			pool.Min = proto.Uint32(1)
		}
		for _, name := range pool.GetServices() {
			if !slices.ContainsFunc(e.Services, func(s *v1.Service) bool { return s.GetName() == name }) {
				e.Services = append(e.Services, &v1.Service{Name: name})
			}
		}
	}
	for _, s := range e.GetServices() {
		completeService(s)
	}
	if e.Policy == nil {
		e.Policy = &v1.Policy{}
	}
	completePolicy(e.Policy)
	return e
}

func completeService(s *v1.Service) {
	if s.Floor == nil {
		floor := uint32(1)
		if s.GetTask() {
			floor = 0
		}
		s.Floor = proto.Uint32(floor)
	}
	if s.Drain == nil {
		s.Drain = seconds(otherDrain)
		for _, known := range knownServices {
			if known.name == s.GetName() {
				s.Drain = seconds(known.drain)
			}
		}
	}
}

func completePolicy(p *v1.Policy) {
	percent := func(have *v1.Percent, value uint32) *v1.Percent {
		if have != nil {
			return have
		}
		return &v1.Percent{Value: value}
	}
	duration := func(have *durationpb.Duration, value int64) *durationpb.Duration {
		if have != nil {
			return have
		}
		return seconds(value)
	}
	automation := func(have v1.Automation) v1.Automation {
		if have != v1.Automation_AUTOMATION_UNSPECIFIED {
			return have
		}
		return v1.Automation_AUTOMATION_AUTO
	}
	p.MaxMoving = percent(p.MaxMoving, 25)
	p.DownAfter = duration(p.DownAfter, 10)
	p.ReplaceAfter = duration(p.ReplaceAfter, 5*60)
	p.ReturnAfter = duration(p.ReturnAfter, 60)
	p.HoldAbove = percent(p.HoldAbove, 30)
	p.HoldMax = duration(p.HoldMax, 15*60)
	p.Repair = automation(p.Repair)
	p.Rebalance = automation(p.Rebalance)
	// Without the key there is no canary, and nothing to fill in.
	if r := p.Rollout; r != nil {
		r.Bake = duration(r.Bake, 10*60)
		if r.OnFail == v1.OnFail_ON_FAIL_UNSPECIFIED {
			r.OnFail = v1.OnFail_ON_FAIL_PAUSE
		}
	}
}

func seconds(n int64) *durationpb.Duration { return &durationpb.Duration{Seconds: n} }
