// Package screen owns the live picture of a cluster: nodes by services, drawn
// in place on a terminal, or a line per change where the output is none. It
// knows the messages and no connection; its caller reads status and events and
// draws when it has something new. A Screen belongs to one goroutine.
package screen

import (
	"fmt"
	"io"
	"strings"

	"roster/cmd/internal/paint"
	"roster/cmd/internal/terminal"
	v1 "roster/proto/roster/v1"
)

// Screen draws frames, one over the other.
type Screen struct {
	out      io.Writer
	paint    paint.Paint
	terminal bool
	drawn    int
	log      changeLog
	last     *v1.Status
	hidden   bool
}

// New is a screen on out. Nothing is written before the first Draw.
func New(out io.Writer) *Screen {
	return &Screen{out: out, paint: paint.For(out), terminal: terminal.Is(out)}
}

// InPlace says whether frames are drawn over each other; else each is told as
// lines of what changed.
func (s *Screen) InPlace() bool { return s.terminal }

// Draw shows a frame; one without a status has the status of the frame before.
func (s *Screen) Draw(frame Frame) error {
	// Where status could not be read, the one before is better than none.
	if frame.Status == nil {
		frame.Status = s.last
	}
	s.last = frame.Status
	if !s.terminal {
		return s.write(s.log.lines(frame))
	}
	lines := Render(frame, s.size(), s.paint)
	var out strings.Builder
	if !s.hidden {
		out.WriteString(hideCursor)
		s.hidden = true
	}
	// The terminal shows all of it at once, or ignores what it does not know.
	out.WriteString(beginUpdate)
	s.back(&out)
	for i, line := range lines {
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(line + clearLine)
	}
	out.WriteString(clearBelow + endUpdate)
	s.drawn = len(lines)
	return s.write(out.String())
}

// Close leaves the last frame standing, with the cursor below it.
func (s *Screen) Close() error {
	if !s.hidden {
		return nil
	}
	s.hidden, s.drawn = false, 0
	return s.write("\r\n" + showCursor)
}

// back puts the cursor where the last frame began.
func (s *Screen) back(out *strings.Builder) {
	if s.drawn == 0 {
		return
	}
	out.WriteByte('\r')
	if s.drawn > 1 {
		fmt.Fprintf(out, "\x1b[%dA", s.drawn-1)
	}
}

func (s *Screen) write(text string) error {
	if text == "" {
		return nil
	}
	if _, err := io.WriteString(s.out, text); err != nil {
		return fmt.Errorf("draw the screen: %w", err)
	}
	return nil
}

func (s *Screen) size() Size {
	columns, lines := terminal.Size(s.out)
	return Size{Columns: columns, Lines: lines}
}

const (
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)
