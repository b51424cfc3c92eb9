package raftnode

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// epochAfter is the epoch of a history that begins now, after another.
func epochAfter(before uint64, now time.Time) uint64 {
	return max(before+1, uint64(max(0, now.UnixMilli())))
}

// beginHistory lets the state of a machine go on as that of a cluster of one
// member, in the entry after last, and returns that entry. It is made here and
// not by the first leader, so that no agent is ever told the old epoch by a
// member of the new history.
func beginHistory(machine *fsm.Machine, last uint64, self *v1.Member, epoch uint64, reason string, now time.Time) ([]byte, error) {
	state := machine.State()
	var envelopes []*storev1.Envelope
	for _, command := range firstOfHistory(state.Members(), self, epoch, reason) {
		envelopes = append(envelopes, &storev1.Envelope{
			Schema: fsm.Schema, ClusterId: state.Cluster().GetId(), Time: timestamppb.New(now), Command: command,
		})
	}
	entry, err := fsm.EncodeEntry(envelopes)
	if err != nil {
		return nil, err
	}
	results, err := machine.Apply(last+1, entry)
	if err != nil {
		return nil, fmt.Errorf("begin a new history: %w", err)
	}
	for _, result := range results {
		if refusal := result.GetRefusal(); refusal != nil {
			return nil, fmt.Errorf("begin a new history: %w", errors.New(refusal.GetMessage()))
		}
	}
	return entry, nil
}

// firstOfHistory are the commands with which one member goes on alone: a higher
// epoch, and no record but its own. A cluster always keeps one member, and no
// two of the same name or address: so the old ones go until none is in the way
// of the new one, and where the last one is, it is renamed before.
func firstOfHistory(old []*v1.Member, self *v1.Member, epoch uint64, reason string) []*storev1.Command {
	commands := []*storev1.Command{{Command: &storev1.Command_RaiseEpoch{RaiseEpoch: &storev1.RaiseEpoch{Epoch: epoch, Reason: reason}}}}
	put := func(m *v1.Member) {
		commands = append(commands, &storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{Member: m}}})
	}
	remove := func(m *v1.Member) {
		commands = append(commands, &storev1.Command{Command: &storev1.Command_RemoveMember{RemoveMember: &storev1.RemoveMember{Id: m.GetId()}}})
	}
	known := slices.ContainsFunc(old, func(m *v1.Member) bool { return m.GetId() == self.GetId() })
	others := slices.DeleteFunc(slices.Clone(old), func(m *v1.Member) bool { return m.GetId() == self.GetId() })
	if !known && len(others) > 0 {
		stays := max(0, slices.IndexFunc(others, func(m *v1.Member) bool { return !clash(m, self) }))
		last := others[stays]
		for _, m := range slices.Delete(others, stays, stays+1) {
			remove(m)
		}
		if clash(last, self) {
			renamed := proto.CloneOf(last)
			renamed.Name, renamed.MaxSchema = "forgotten-"+last.GetId(), self.GetMaxSchema()
			renamed.RaftAddress, renamed.Address = "forgotten.invalid:1", "forgotten.invalid:2"
			put(renamed)
			last = renamed
		}
		others = []*v1.Member{last}
	}
	put(self)
	for _, m := range others {
		remove(m)
	}
	return commands
}

// clash says whether two members cannot be in one cluster.
func clash(a, b *v1.Member) bool {
	return a.GetName() == b.GetName() || a.GetRaftAddress() == b.GetRaftAddress() || a.GetAddress() == b.GetAddress()
}
