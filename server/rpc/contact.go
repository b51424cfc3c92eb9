package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	peerv1 "roster/proto/roster/peer/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/raftnode"
	"roster/server/status"
)

// Contacts implements PeerService.
func (p *Peer) Contacts(context.Context, *peerv1.ContactsRequest) (*peerv1.ContactsResponse, error) {
	silent, leads := p.Raft.Silent()
	if !leads {
		return nil, toStatus(raftnode.ErrNotLeader)
	}
	answer := &peerv1.ContactsResponse{}
	for id, d := range silent {
		answer.Contacts = append(answer.Contacts, &peerv1.Contact{Member: id, Silent: durationpb.New(d)})
	}
	return answer, nil
}

// contacts asks the leader whom it hears. Nothing is known where it does not
// answer at once: a status must not wait for that.
func (c *Cluster) contacts(ctx context.Context, leader string) map[string]status.Contact {
	if own := c.ownContacts(); own != nil {
		return own
	}
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	silent := map[string]time.Duration{}
	err := c.Gate.withLeader(ctx, reads, func(ctx context.Context, peer peerv1.PeerServiceClient) error {
		if peer == nil {
			var leads bool
			if silent, leads = c.Raft.Silent(); !leads {
				return raftnode.ErrNotLeader
			}
			return nil
		}
		answer, err := peer.Contacts(ctx, &peerv1.ContactsRequest{})
		for _, contact := range answer.GetContacts() {
			silent[contact.GetMember()] = contact.GetSilent().AsDuration()
		}
		return err
	})
	if err != nil {
		return nil
	}
	return status.Heard(leader, silent)
}

// ownContacts are those of this member where it leads.
func (c *Cluster) ownContacts() map[string]status.Contact {
	if silent, leads := c.Raft.Silent(); leads {
		return status.Heard(c.Self, silent)
	}
	return nil
}

// reached tries, without a leader, which members answer this one. Of those
// whose address is not known yet it goes by who answers when asked for a vote.
func (c *Cluster) reached(ctx context.Context) map[string]status.Contact {
	others := map[string]bool{}
	for _, m := range c.Machine.State().Members() {
		others[m.GetId()] = true
	}
	out := status.Heard(c.Self, c.Raft.Unanswered())
	for id := range others {
		out[id] = status.Contact{}
	}
	for _, id := range c.silent(ctx, others) {
		out[id] = status.Contact{Silent: true}
	}
	return out
}

// unrecorded are the members of the group whose records did not come yet.
func (c *Cluster) unrecorded() (out []*v1.Member) {
	for _, s := range c.Raft.Servers() {
		if c.Machine.State().Member(s.ID) == nil {
			m := &v1.Member{Id: s.ID, RaftAddress: s.Address}
			if s.ID == c.Self {
				m.Name = c.Name
			}
			out = append(out, m)
		}
	}
	return out
}
