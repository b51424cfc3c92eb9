package topology

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

// Bounds of the policy's times, in milliseconds.
const (
	// minDownAfter is three heartbeats: fewer would call a node down because of
	// one late packet.
	minDownAfter    = 6_000
	maxDownAfter    = 3_600_000
	maxReplaceAfter = 7 * 24 * 3_600_000
	minReturnAfter  = 1_000
	maxReturnAfter  = 24 * 3_600_000
	minHoldMax      = 60_000
	maxHoldMax      = 24 * 3_600_000
	minBake         = 0
	maxBake         = 24 * 3_600_000
)

func (f *findings) policy(p *v1.Policy) {
	if p == nil {
		return
	}
	at := path{"policy"}
	share := func(key string, percent *v1.Percent) {
		if percent != nil && (percent.GetValue() < 1 || percent.GetValue() > 100) {
			f.add(ruleShare, at.to(key), fmt.Sprintf("%d%% is out of range", percent.GetValue()), "write one from 1% to 100%")
		}
	}
	share("max_moving", p.GetMaxMoving())
	share("hold_above", p.GetHoldAbove())
	f.word(p.GetRepair(), at.to("repair"))
	f.word(p.GetRebalance(), at.to("rebalance"))
	sound := true
	if p.DownAfter != nil {
		sound = f.bounded(ruleDownAfter, at.to("down_after"), "down_after (at least three heartbeats of 2s)", p.GetDownAfter(), minDownAfter, maxDownAfter)
	}
	if p.ReplaceAfter != nil {
		sound = f.bounded(ruleReplaceAfter, at.to("replace_after"), "replace_after", p.GetReplaceAfter(), minDownAfter, maxReplaceAfter) && sound
	}
	if sound {
		f.replaceAfterDown(p, at)
	}
	if p.ReturnAfter != nil {
		f.bounded(ruleReturnAfter, at.to("return_after"), "return_after", p.GetReturnAfter(), minReturnAfter, maxReturnAfter)
	}
	if p.HoldMax != nil {
		f.bounded(ruleHoldMax, at.to("hold_max"), "hold_max", p.GetHoldMax(), minHoldMax, maxHoldMax)
	}
	if r := p.GetRollout(); r != nil {
		f.rollout(r, at.to("rollout"))
	}
}

// replaceAfterDown refuses a seat that is given away before its node is down,
// be it by a default.
func (f *findings) replaceAfterDown(p *v1.Policy, at path) {
	whole := &v1.Policy{DownAfter: p.GetDownAfter(), ReplaceAfter: p.GetReplaceAfter()}
	completePolicy(whole)
	down, _ := toMillis(whole.GetDownAfter())
	replace, _ := toMillis(whole.GetReplaceAfter())
	if replace >= down {
		return
	}
	at, byDefault := at.to("replace_after"), ""
	if p.ReplaceAfter == nil {
		at, byDefault = path{"policy", "down_after"}, ", its default,"
	}
	f.add(ruleReplaceAfter, at, fmt.Sprintf("replace_after (%s)%s is shorter than down_after (%s)", formatDuration(whole.GetReplaceAfter()), byDefault, formatDuration(whole.GetDownAfter())),
		"a seat is given away only after its node is down: write a longer replace_after")
}

// rollout checks how a topology is tried first. A canary of 0 is none, which
// turns it off without taking the rest away.
func (f *findings) rollout(r *v1.RolloutPolicy, at path) {
	if r.GetCanary() > maxCanary {
		f.add(ruleCanary, at.to("canary"), fmt.Sprintf("a canary of %d nodes in each pool is out of range", r.GetCanary()), fmt.Sprintf("write one from 0 to %d; 1 is usual, 0 is none", maxCanary))
	}
	if r.Bake != nil {
		f.bounded(ruleBake, at.to("bake"), "bake", r.GetBake(), minBake, maxBake)
	}
	f.word(r.GetOnFail(), at.to("on_fail"))
}

// survives checks promises. More than these is not looked at: three nodes of
// some thousand make more losses than can be tried, and hardly a cluster keeps
// its floors without two regions.
func (f *findings) survives(s *v1.Survives) {
	at := path{"survives"}
	for _, bound := range []struct {
		key        string
		have, most uint32
	}{
		{"nodes", s.GetNodes(), maxLostNodes}, {"zones", s.GetZones(), maxLostPlaces},
		{"regions", s.GetRegions(), maxLostPlaces}, {"members", s.GetMembers(), maxLostMembers},
	} {
		if bound.have > bound.most {
			f.add(ruleSurvives, at.to(bound.key), fmt.Sprintf("a promise to survive the loss of %d %s cannot be checked", bound.have, bound.key), fmt.Sprintf("write %d at most", bound.most))
		}
	}
}

// word refuses a value that its enum does not have: a file cannot say one, a
// message from a newer release can.
func (f *findings) word(value protoreflect.Enum, at path) {
	if value.Descriptor().Values().ByNumber(value.Number()) == nil {
		f.add(ruleWord, at, fmt.Sprintf("the value %d has no name", value.Number()), "write one of "+strings.Join(enumWords(value.Descriptor()), ", "))
	}
}

func (f *findings) bounded(rule string, at path, what string, d *durationpb.Duration, least, most int64) bool {
	millis, ok := toMillis(d)
	if ok && millis >= least && millis <= most {
		return true
	}
	have := "this one"
	if ok {
		have = formatDuration(d)
	}
	f.add(rule, at, fmt.Sprintf("%s takes %s to %s; %s is out of range", what, formatDuration(fromMillis(least)), formatDuration(fromMillis(most)), have),
		fmt.Sprintf("write one from %s to %s", formatDuration(fromMillis(least)), formatDuration(fromMillis(most))))
	return false
}
