package rpc

import (
	"context"

	"google.golang.org/grpc/codes"

	"roster/server/rpc/problem"
)

// mostAtDesk is how many questions may wait or be worked on.
const mostAtDesk = 8

// Desk is where questions are worked out that take a processor for seconds, one
// at a time, so that the member goes on serving beside them. Who comes while one
// is worked on waits its turn, or leaves; where too many wait, the next is turned
// away.
type Desk struct {
	turn chan struct{} // holds who is worked for
	line chan struct{} // holds everybody
}

// NewDesk makes a desk that nobody is at.
func NewDesk() *Desk {
	return &Desk{turn: make(chan struct{}, 1), line: make(chan struct{}, mostAtDesk)}
}

// atDesk works a question out when its turn comes. A caller that leaves gets no
// answer, and the next one's turn comes once what was begun has noticed.
func atDesk[T any](ctx context.Context, d *Desk, work func() (T, error)) (T, error) {
	type outcome struct {
		answer   T
		err      error
		panicked any
	}
	var none T
	select {
	case d.line <- struct{}{}:
	default:
		return none, problem.New(codes.ResourceExhausted, problem.Busy, "this member works out %d such questions already, one after the other: ask again in a while, or ask another one", mostAtDesk)
	}
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		<-d.line
		return none, toStatus(ctx.Err())
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			o.panicked = recover() // the caller's to handle: here it would end the member
			<-d.turn
			<-d.line
			done <- o
		}()
		o.answer, o.err = work()
	}()
	select {
	case o := <-done:
		if o.panicked != nil {
			panic(o.panicked)
		}
		return o.answer, o.err
	case <-ctx.Done():
		return none, toStatus(ctx.Err())
	}
}
