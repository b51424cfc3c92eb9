package fsm

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// putMember adds a member's record or changes it. Who leads and votes is Raft's
// to say, and not kept.
func (d *draft) putMember(c *storev1.PutMember) *storev1.Result {
	if err := checkMember(c.GetMember()); err != nil {
		return invalid(err)
	}
	member := proto.CloneOf(c.GetMember())
	member.Leader, member.Voter = false, false
	if member.GetMaxSchema() < d.cluster.GetSchema() {
		return refused(codeFailedPrecondition, ReasonSchema, "member %s reads commands up to schema %d, the cluster writes %d; upgrade it", member.GetId(), member.GetMaxSchema(), d.cluster.GetSchema())
	}
	others := 0
	for _, other := range d.members.list(memberKey) {
		if other.GetId() == member.GetId() {
			continue
		}
		others++
		if what := sameIdentity(member, other); what != "" {
			return refused(codeAlreadyExists, ReasonMemberExists, "member %s has that %s already; give the new one another, or remove the old one first", other.GetId(), what)
		}
	}
	if others >= d.limits.members {
		return refused(codeResourceExhausted, ReasonFull, "there are %d members already, which is the most; remove one first", others)
	}
	event := &v1.Event{Kind: EventMemberAdded, Member: member.GetId(), Message: fmt.Sprintf("member %s at %s was added", member.GetName(), member.GetAddress())}
	if before := d.members.get(member.GetId()); before != nil {
		member.Index = before.GetIndex()
		if proto.Equal(before, member) {
			return &storev1.Result{}
		}
		event.Kind, event.Message = EventMemberChanged, fmt.Sprintf("member %s at %s changed its record", member.GetName(), member.GetAddress())
	}
	member.Index = d.index
	d.members.put(member.GetId(), member)
	d.emit(event)
	d.raiseSchema()
	return &storev1.Result{Changed: true}
}

func checkMember(m *v1.Member) error {
	for _, part := range []struct{ what, text string }{
		{"member id", m.GetId()}, {"member name", m.GetName()},
	} {
		if err := checkMemberName(part.what, part.text); err != nil {
			return err
		}
	}
	for _, part := range []struct{ what, text string }{
		{"raft address", m.GetRaftAddress()}, {"address", m.GetAddress()},
	} {
		if part.text == "" {
			return fmt.Errorf("member %s has no %s; give it as host:port", m.GetId(), part.what)
		}
		if err := checkText(part.what, part.text, maxHost+6); err != nil {
			return err
		}
	}
	return checkText("version", m.GetVersion(), maxName)
}

// sameIdentity names what two members must not share.
func sameIdentity(a, b *v1.Member) string {
	switch {
	case a.GetName() == b.GetName():
		return "name"
	case a.GetRaftAddress() == b.GetRaftAddress():
		return "raft address"
	case a.GetAddress() == b.GetAddress():
		return "address"
	}
	return ""
}

func (d *draft) removeMember(c *storev1.RemoveMember) *storev1.Result {
	before := d.members.get(c.GetId())
	if before == nil {
		return refused(codeNotFound, ReasonNoMember, "there is no member %.80q; `roster member list` shows them", c.GetId())
	}
	if len(d.members.list(memberKey)) == 1 {
		return refused(codeFailedPrecondition, ReasonLastMember, "member %s is the last one; a cluster keeps at least one", before.GetName())
	}
	d.members.drop(c.GetId())
	d.emit(&v1.Event{Kind: EventMemberRemoved, Member: c.GetId(), Message: fmt.Sprintf("member %s was removed", before.GetName())})
	d.raiseSchema()
	return &storev1.Result{Changed: true}
}
