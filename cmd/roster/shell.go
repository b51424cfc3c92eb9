package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/output"
	"roster/cmd/internal/paint"
	"roster/cmd/internal/terminal"
	"roster/cmd/internal/view"
)

// shell is where a verb reads from and writes to, with the flags that every
// verb shares.
type shell struct {
	in       io.Reader
	out, err io.Writer
	connect  connect.Flags
	format   output.Format
}

func newShell() *shell {
	return &shell{in: os.Stdin, out: os.Stdout, err: os.Stderr, format: output.Table}
}

// look is how tables on the output are drawn.
func (sh *shell) look() view.Look { return lookOf(sh.out) }

func lookOf(w io.Writer) view.Look {
	return view.Look{Paint: paint.For(w), Width: terminal.Columns(w)}
}

// print writes an answer in the form that was asked for.
func (sh *shell) print(message proto.Message, table func(io.Writer, view.Look) error) error {
	return output.Print(sh.out, sh.format, message, func() error { return table(sh.out, sh.look()) })
}

// say writes a sentence for people: to the output where that is for people,
// else beside it.
func (sh *shell) say(format string, a ...any) {
	fmt.Fprintf(sh.people(), format+"\n", a...)
}

// people is where sentences go.
func (sh *shell) people() io.Writer {
	if sh.format == output.Table {
		return sh.out
	}
	return sh.err
}

// linked runs a verb that talks to the cluster.
func (sh *shell) linked(do func(ctx context.Context, link *connect.Link, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		link, err := sh.connect.Open()
		if err != nil {
			return err
		}
		defer link.Close()
		return do(cmd.Context(), link, args)
	}
}

// checked is linked for a verb whose flags are judged before anybody is asked.
func (sh *shell) checked(validate func() error, do func(ctx context.Context, link *connect.Link, args []string) error) func(*cobra.Command, []string) error {
	run := sh.linked(do)
	return func(cmd *cobra.Command, args []string) error {
		if err := validate(); err != nil {
			return err
		}
		return run(cmd, args)
	}
}

// call makes one call, within its bound.
func call[Request, Response any](ctx context.Context, sh *shell, method func(context.Context, Request, ...grpc.CallOption) (Response, error), request Request) (Response, error) {
	ctx, cancel := sh.connect.Call(ctx)
	defer cancel()
	return method(ctx, request)
}
