// Package terminal owns what is asked of a terminal: whether there is one, and
// how large it is. It draws nothing. Safe from any goroutine.
package terminal

import (
	"os"

	"golang.org/x/term"
)

// Is says whether what is written or read is a terminal.
func Is(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Size is a terminal's size in columns and lines; 80 by 24 where it does not
// say.
func Size(stream any) (columns, lines int) {
	if file, ok := stream.(*os.File); ok {
		if columns, lines, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 && lines > 0 {
			return columns, lines
		}
	}
	return 80, 24
}

// Columns is the width of a terminal; 0 where there is none, so that what goes
// to files and pipes is never cut or wrapped.
func Columns(stream any) int {
	if !Is(stream) {
		return 0
	}
	columns, _ := Size(stream)
	return columns
}
