// Package ask owns the question before a change. It knows no verbs. A call
// blocks until there is an answer or its context ends.
package ask

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"roster/cmd/internal/terminal"
)

// ErrNoTerminal means that nobody can be asked.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// ErrDeclined means that the answer was no.
var ErrDeclined = errors.New("nothing was changed")

// Confirm asks a question that is answered with y or N, on a terminal. Every
// answer but y and yes is no.
func Confirm(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	if !terminal.Is(in) {
		return ErrNoTerminal
	}
	if _, err := fmt.Fprintf(out, "%s [y/N] ", question); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	answer := make(chan string, 1)
	// Reading a terminal cannot be cancelled: where the context ends first, so
	// does the program, and the reader with it.
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return ctx.Err()
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		default:
			return ErrDeclined
		}
	}
}
