// Package view owns the tables that people read: one file per noun, each a
// function from a message to text. It knows the messages, no connection and no
// clock. Pure but for the writer; safe from any goroutine.
package view

import (
	"io"
	"strings"

	"roster/cmd/internal/paint"
	"roster/cmd/internal/table"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// Look is how a table is drawn.
type Look struct {
	Paint paint.Paint
	// Width of the terminal in columns; 0: lines may have any length.
	Width int
}

func (l Look) table(columns ...string) *table.Table {
	t := table.New(columns...)
	t.Head = l.Paint.Dim
	t.Width = l.Width
	return t
}

// StateStyle is the colour of a status.
func (l Look) StateStyle(state v1.StatusState) func(string) string {
	switch state {
	case v1.StatusState_STATUS_STATE_OK:
		return l.Paint.Good
	case v1.StatusState_STATUS_STATE_FLOOR_BROKEN, v1.StatusState_STATUS_STATE_NO_QUORUM:
		return l.Paint.Bad
	default:
		return l.Paint.Warn
	}
}

func (l Look) nodeStyle(state v1.NodeState) func(string) string {
	switch state {
	case v1.NodeState_NODE_STATE_UP:
		return l.Paint.Good
	case v1.NodeState_NODE_STATE_SUSPECT:
		return l.Paint.Warn
	default:
		return l.Paint.Bad
	}
}

func (l Look) endpointStyle(state v1.EndpointState) func(string) string {
	switch state {
	case v1.EndpointState_ENDPOINT_STATE_READY:
		return l.Paint.Good
	case v1.EndpointState_ENDPOINT_STATE_UNKNOWN:
		return l.Paint.Bad
	default:
		return l.Paint.Warn
	}
}

// sentences writes each as a paragraph with a dot before it.
func (l Look) sentences(out *strings.Builder, indent string, sentences []string) {
	width := l.Width - len(indent) - 2
	for _, sentence := range sentences {
		sentence = word.Sentence(sentence)
		lines := []string{sentence}
		if l.Width > 0 && width >= 20 {
			lines = table.Wrap(sentence, width)
		}
		for i, line := range lines {
			lead := "  "
			if i == 0 {
				lead = "• "
			}
			out.WriteString(indent + lead + line + "\n")
		}
	}
}

func write(w io.Writer, out *strings.Builder) error {
	_, err := io.WriteString(w, out.String())
	return err
}
