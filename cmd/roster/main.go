// Command roster is the whole of Roster in one binary: a member, an agent, and
// what operators type. Each verb has a file of its own here, which reads its
// flags and calls the package that does the work; nothing is decided here. A
// verb runs in one goroutine unless its package says otherwise.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"roster/cmd/internal/exit"
)

func main() {
	os.Exit(run())
}

// run is main without the exit, so that deferred calls happen.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)

	err := newRoot(newShell()).ExecuteContext(ctx)
	if text := exit.Sentence(err); text != "" {
		fmt.Fprintln(os.Stderr, "roster: "+text)
	}
	return exit.Code(err)
}
