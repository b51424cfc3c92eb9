package view

import (
	"fmt"
	"io"
	"strings"

	"roster/cmd/internal/word"
	storev1 "roster/proto/roster/store/v1"
)

// Snapshot is what a snapshot has.
func Snapshot(w io.Writer, look Look, s *storev1.SnapshotSummary) error {
	t := look.table("", "")
	t.Row("cluster", fmt.Sprintf("%s (%s), epoch %d", s.GetCluster().GetName(), s.GetCluster().GetId(), s.GetCluster().GetEpoch()))
	t.Row("index", fmt.Sprintf("%d, at %s", s.GetIndex(), word.Time(s.GetTime())))
	t.Row("size", fmt.Sprintf("%d bytes, schema %d", s.GetSizeBytes(), s.GetSchema()))
	topology := "none"
	if s.GetTopology() != nil {
		topology = fmt.Sprintf("%s, revision %d; %s kept", s.GetTopology().GetName(), s.GetTopology().GetRevision(), word.Count(s.GetRevisions(), "revision"))
	}
	t.Row("topology", topology)
	t.Row("nodes", fmt.Sprintf("%d, with %s", s.GetNodes(), word.Count(s.GetAssignments(), "assignment")))
	var members []string
	for _, m := range s.GetMembers() {
		members = append(members, m.GetName())
	}
	t.Row("members", word.List(members))
	t.Row("freezes", fmt.Sprint(s.GetFreezes()))
	t.Row("events", fmt.Sprint(s.GetEvents()))
	t.Row("state hash", s.GetStateHash())
	// It has no head.
	_, body, _ := strings.Cut(t.String(), "\n")
	_, err := io.WriteString(w, body)
	return err
}
