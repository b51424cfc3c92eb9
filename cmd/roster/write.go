package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/cmd/internal/ask"
	"roster/cmd/internal/connect"
	"roster/cmd/internal/exit"
)

// writeFlags are what every verb that writes takes.
type writeFlags struct {
	requestID string
	yes       bool
	// again are further flags that the same request needs when it is repeated.
	again string
}

func (f *writeFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.requestID, "request-id", "", "`id` of a write that is tried again; the same id is done once")
}

// addYesTo is for verbs that ask first.
func (f *writeFlags) addYesTo(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
}

// id is the request's id: the given one, or a new one.
func (f *writeFlags) id(link *connect.Link) string {
	if f.requestID == "" {
		f.requestID = link.RequestID()
	}
	return f.requestID
}

// confirm asks unless --yes was given.
func (f *writeFlags) confirm(ctx context.Context, sh *shell, question, otherwise string) error {
	if f.yes {
		return nil
	}
	err := ask.Confirm(ctx, sh.in, sh.people(), question)
	if errors.Is(err, ask.ErrNoTerminal) {
		return fmt.Errorf("%w: nothing was changed\n  %s", err, otherwise)
	}
	return err
}

// outcome explains a write that failed: one whose outcome is not known can be
// tried again without being done twice.
func (f *writeFlags) outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case f.requestID != "" && uncertain(err):
		return exit.With(exit.Code(err), fmt.Errorf("%s\n  it may have been done or not: run it again with --request-id %s%s, it is done once",
			exit.Sentence(err), f.requestID, f.again))
	default:
		return err
	}
}

// uncertain says whether a write that failed may have been done all the same.
func uncertain(err error) bool {
	if client.Reason(err) == "UNKNOWN_OUTCOME" || errors.Is(err, client.ErrUnknownOutcome) {
		return true
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded, codes.Canceled, codes.Internal, codes.Unknown:
		_, fromGRPC := status.FromError(err)
		return fromGRPC
	default:
		return false
	}
}

// expected is a flag that is nil where it was not given.
type expected struct {
	name  string
	value uint64
}

func (e *expected) addTo(cmd *cobra.Command, name, usage string) {
	e.name = name
	cmd.Flags().Uint64Var(&e.value, name, 0, usage)
}

func (e *expected) get(cmd *cobra.Command) *uint64 {
	if !cmd.Flags().Changed(e.name) {
		return nil
	}
	return &e.value
}
