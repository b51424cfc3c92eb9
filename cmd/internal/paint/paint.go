// Package paint owns colours: when they are used and which word has which. It
// knows no messages. A Paint is a value without state, safe from any goroutine.
package paint

import (
	"io"
	"os"

	"roster/cmd/internal/terminal"
)

// Paint colours text; the zero value leaves it as it is.
type Paint struct {
	on bool
}

// For paints where w is a terminal that shows colours and NO_COLOR
// (https://no-color.org) is not set.
func For(w io.Writer) Paint {
	return Paint{on: terminal.Is(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// Always paints, wherever it goes.
func Always() Paint { return Paint{on: true} }

func (p Paint) with(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is for heads and first words.
func (p Paint) Bold(text string) string { return p.with("1", text) }

// Dim is for what may be skipped in reading.
func (p Paint) Dim(text string) string { return p.with("2", text) }

// Good is for what is as it should be.
func (p Paint) Good(text string) string { return p.with("32", text) }

// Warn is for what is on its way, or short.
func (p Paint) Warn(text string) string { return p.with("33", text) }

// Bad is for what is lost.
func (p Paint) Bad(text string) string { return p.with("31", text) }

// Note is for names to find again: a leader, a revision.
func (p Paint) Note(text string) string { return p.with("36", text) }

// Banner is a short word on a coloured ground, for the first word of a screen.
func (p Paint) Banner(style func(string) string, text string) string {
	if !p.on {
		return text
	}
	return style("\x1b[7m\x1b[1m " + text + " ")
}
