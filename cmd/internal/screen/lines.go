package screen

import (
	"fmt"
	"strings"

	"roster/cmd/internal/view"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// changeLog tells frames as lines: one when the summary changed, one for each
// event that was not told yet.
type changeLog struct {
	summary string
	notes   string
	trouble string
	index   uint64
	ordinal uint32
	told    bool
}

func (c *changeLog) lines(frame Frame) string {
	var out strings.Builder
	if notes := strings.Join(frame.Notes, "\n"); notes != c.notes {
		c.notes = notes
		out.WriteString(notes + "\n")
	}
	for _, event := range frame.Events {
		if c.told && (event.GetIndex() < c.index || event.GetIndex() == c.index && event.GetOrdinal() <= c.ordinal) {
			continue
		}
		c.told, c.index, c.ordinal = true, event.GetIndex(), event.GetOrdinal()
		out.WriteString(view.Event(view.Look{}, event) + "\n")
	}
	if frame.Trouble != c.trouble {
		c.trouble = frame.Trouble
		if c.trouble != "" {
			out.WriteString(c.trouble + "\n")
		}
	}
	if frame.Status != nil {
		if summary := Summary(frame.Status); summary != c.summary {
			c.summary = summary
			out.WriteString(summary + "\n")
		}
	}
	return out.String()
}

// Summary is a status in one line: its first word, the topology, and ready and
// wanted of each service.
func Summary(s *v1.Status) string {
	parts := []string{word.State(s.GetState())}
	switch topology := s.GetTopology(); {
	case topology == nil:
		parts = append(parts, "no topology yet")
	case s.GetSettled():
		parts = append(parts, fmt.Sprintf("%s r%d settled", topology.GetName(), topology.GetRevision()))
	default:
		parts = append(parts, fmt.Sprintf("%s r%d not settled", topology.GetName(), topology.GetRevision()))
	}
	for _, name := range services(s) {
		service := s.GetServices()[name]
		parts = append(parts, fmt.Sprintf("%s %d/%d", name, service.GetReady(), service.GetWanted()))
	}
	return strings.Join(parts, " · ")
}
