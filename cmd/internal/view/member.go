package view

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// member is what the lists of status and of `member list` tell of one.
type member interface {
	GetLeader() bool
	GetVoter() bool
	GetState() v1.MemberState
	GetSilent() *durationpb.Duration
}

func memberRole(look Look, m member) table.Styled {
	role := "follower"
	var style func(string) string
	switch {
	case m.GetLeader():
		role, style = "leader", look.Paint.Note
	case !m.GetVoter():
		role, style = "joining, no vote yet", look.Paint.Warn
	}
	if m.GetState() == v1.MemberState_MEMBER_STATE_SILENT {
		return table.Paint(look.Paint.Warn, role+", "+word.Silent(m.GetSilent()))
	}
	return table.Paint(style, role)
}
