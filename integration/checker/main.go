// Command checker judges a cluster from outside: it dials endpoints from a file
// of its own and judges what it saw. It imports no package of Roster; a test
// holds that.
//
//	checker watch -targets FILE -log DIR   marks are JSON lines on stdin; its end ends the watch
//	checker verify DIR                     0 held, 1 broken, 2 the log proves nothing
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitHeld   = 0
	exitBroken = 1
	exitError  = 2
)

var errUsage = errors.New("usage: checker watch -targets FILE -log DIR [flags] | checker verify [flags] DIR")

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	code, err := exitError, errUsage
	if len(args) > 0 {
		switch args[0] {
		case "watch":
			code, err = watchVerb(ctx, args[1:], stdin, stdout, stderr)
		case "verify":
			code, err = verifyVerb(args[1:], stdout, stderr)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "checker: %v\n", err)
	}
	return code
}
