package fsm

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Scopes of freezes; what follows is the name of one.
const (
	scopeAll     = "all"
	scopeNode    = "node:"
	scopePool    = "pool:"
	scopeService = "service:"
	scopeRegion  = "region:"
	scopeZone    = "zone:"
)

// createFreeze keeps Roster off a scope until a time. The id is the caller's, so
// that a request that is sent again is the same.
func (d *draft) createFreeze(c *storev1.CreateFreeze) *storev1.Result {
	f := c.GetFreeze()
	if err := checkMemberName("freeze id", f.GetId()); err != nil {
		return invalid(err)
	}
	if err := checkReason(f.GetReason()); err != nil {
		return invalid(err)
	}
	scope := f.GetScope()
	if scope == "" {
		scope = scopeAll
	}
	if err := d.checkScope(scope); err != nil {
		return invalid(err)
	}
	expires, err := d.until("a freeze", f.GetExpires(), c.GetWithin(), minRestraint, maxFreeze)
	if err == nil && expires == nil {
		err = errors.New("a freeze has an end; give it one")
	}
	if err != nil {
		return invalid(err)
	}
	if d.freezes.get(f.GetId()) != nil {
		return refused(codeAlreadyExists, ReasonFreezeExists, "there is a freeze %.80q already; give this one another id", f.GetId())
	}
	if n := len(d.freezes.list(freezeKey)); n >= d.limits.freezes {
		return refused(codeResourceExhausted, ReasonFull, "there are %d freezes already, which is the most; end some first", n)
	}
	freeze := &v1.Freeze{
		Id: f.GetId(), Scope: scope, Since: d.env.GetTime(), Expires: expires, By: d.env.GetCaller(), Reason: f.GetReason(),
	}
	d.freezes.put(freeze.GetId(), freeze)
	d.emit(freezeEvent(EventFreezeCreated, freeze, fmt.Sprintf("%s is frozen until %s", scope, clock(expires)), freeze.GetReason()))
	return &storev1.Result{Changed: true}
}

// deleteFreezes ends freezes: the operator's by id or scope, the leader's loop
// those whose time has passed.
func (d *draft) deleteFreezes(c *storev1.DeleteFreezes) *storev1.Result {
	id, scope := c.GetId() != "", c.GetScope() != ""
	switch {
	case id && scope, id && c.GetExpired(), scope && c.GetExpired():
		return invalid(errors.New("name the freezes in one way: by id, by scope, or those whose time has passed"))
	case !id && !scope && !c.GetExpired():
		return invalid(errors.New("say which freezes to end: by id, or by scope"))
	}
	result := &storev1.Result{}
	for _, f := range d.freezes.list(freezeKey) {
		over := !rollout.InForce(f, d.env.GetTime().AsTime())
		switch {
		case c.GetExpired() && over:
			d.emit(freezeEvent(EventFreezeExpired, f, fmt.Sprintf("%s is no longer frozen", f.GetScope()), "its time has passed"))
		case id && f.GetId() == c.GetId(), scope && f.GetScope() == c.GetScope():
			d.emit(freezeEvent(EventFreezeEnded, f, fmt.Sprintf("%s is no longer frozen", f.GetScope()), fmt.Sprintf("it was ended before %s", clock(f.GetExpires()))))
		default:
			continue
		}
		d.freezes.drop(f.GetId())
		result.Changed = true
		result.Ended++
	}
	switch {
	case result.GetChanged() || c.GetExpired():
		return result
	case id:
		return refused(codeNotFound, ReasonNoFreeze, "there is no freeze %.80q; `roster status` shows them", c.GetId())
	}
	return refused(codeNotFound, ReasonNoFreeze, "there is no freeze of %.80q; `roster status` shows them", c.GetScope())
}

// freezeEvent is an event about a freeze, with what its scope names in the
// fields that events are found by.
func freezeEvent(kind string, f *v1.Freeze, message, reason string) *v1.Event {
	e := &v1.Event{Kind: kind, Message: message, Reason: reason}
	what, name, _ := strings.Cut(f.GetScope(), ":")
	switch what + ":" {
	case scopeNode:
		e.Node = name
	case scopePool:
		e.Pool = name
	case scopeService:
		e.Service = name
	}
	return e
}

// checkScope wants a scope to name something that there is: a freeze of what is
// misspelt would hold nothing.
func (d *draft) checkScope(scope string) error {
	kind, name, named := strings.Cut(scope, ":")
	var known bool
	var where string
	switch kind += ":"; {
	case scope == scopeAll:
		return nil
	case !named || name == "":
		return fmt.Errorf("scope %.80q: write `all`, or node:, pool:, service:, region: or zone: and a name", scope)
	case kind == scopeNode:
		known, where = d.nodes.get(name) != nil, "`roster node list`"
	case kind == scopePool:
		known, where = d.pool(name) != nil, "`roster topology get`"
	case kind == scopeService:
		known, where = d.hasService(name), "`roster status`"
	case kind == scopeRegion:
		known, where = d.anyNode(func(n *v1.Node) bool { return n.GetRegion() == name }), "`roster node list`"
	case kind == scopeZone:
		known, where = d.anyNode(func(n *v1.Node) bool { return n.GetZone() == name }), "`roster node list`"
	default:
		return fmt.Errorf("scope %.80q: write `all`, or node:, pool:, service:, region: or zone: and a name", scope)
	}
	if !known {
		return fmt.Errorf("scope %.80q: there is no %s of that name; %s shows them", scope, strings.TrimSuffix(kind, ":"), where)
	}
	return nil
}

func (d *draft) pool(name string) *v1.Pool {
	for _, p := range d.effective.GetPools() {
		if p.GetName() == name {
			return p
		}
	}
	return nil
}

// hasService: a pool serves it, or a node does or can.
func (d *draft) hasService(name string) bool {
	for _, p := range d.effective.GetPools() {
		for _, service := range p.GetServices() {
			if service == name {
				return true
			}
		}
	}
	return d.anyNode(func(n *v1.Node) bool { return claim(n, name) != nil || assignment(n, name) != nil })
}

func (d *draft) anyNode(has func(*v1.Node) bool) bool {
	for _, n := range d.nodes.list(nodeKey) {
		if has(n) {
			return true
		}
	}
	return false
}

// until is the end of something that an operator asked for: a time, or so long
// after the command's; nil where neither is given.
func (d *draft) until(what string, at *timestamppb.Timestamp, within *durationpb.Duration, least, most time.Duration) (*timestamppb.Timestamp, error) {
	if at == nil && within == nil {
		return nil, nil
	}
	now := d.env.GetTime().AsTime()
	var lasts time.Duration
	switch {
	case at != nil && at.CheckValid() != nil, at == nil && within.CheckValid() != nil:
		return nil, fmt.Errorf("the end of %s is no time", what)
	case at != nil:
		// Whoever asked has a clock of its own.
		lasts = at.AsTime().Sub(now)
		if lasts <= 0 {
			return nil, fmt.Errorf("%s that ended at %s has no effect; give a time to come", what, clock(at))
		}
		lasts = max(lasts, least)
		if lasts > most && lasts <= most+clockSlack {
			lasts = most
		}
	default:
		lasts = within.AsDuration()
		at = timestamppb.New(now.Add(min(lasts, most)))
	}
	if lasts < least || lasts > most {
		return nil, fmt.Errorf("%s lasts %s to %s, not %s", what, least, most, lasts)
	}
	return at, nil
}

// clock writes a time for people.
func clock(t *timestamppb.Timestamp) string { return t.AsTime().UTC().Format(time.RFC3339) }

// checkReason wants a sentence for whoever reads it at night.
func checkReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errors.New("there is no reason; say why, for whoever reads status")
	}
	return checkText("reason", reason, maxText)
}
