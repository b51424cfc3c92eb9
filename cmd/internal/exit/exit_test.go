package exit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/cmd/internal/exit"
)

func noLeader(t *testing.T) error {
	t.Helper()
	s, err := status.New(codes.Unavailable, "there is no leader").WithDetails(&errdetails.ErrorInfo{Reason: client.NoLeader, Domain: client.Domain})
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

func TestEachEndHasItsCode(t *testing.T) {
	refused := client.Fault{Address: "a:1", Err: status.Error(codes.Unavailable, "connection refused")}
	silent := client.Fault{Address: "b:1", Err: errors.New("did not answer")}
	leaderless := client.Fault{Address: "c:1", Err: noLeader(t)}
	late := context.DeadlineExceeded
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"done", nil, exit.OK},
		{"anything else", errors.New("no"), exit.Failed},
		{"refused", status.Error(codes.FailedPrecondition, "no"), exit.Failed},
		{"a deadline", late, exit.Deadline},
		{"a deadline that a member noticed", status.Error(codes.DeadlineExceeded, "late"), exit.Deadline},
		{"no leader", noLeader(t), exit.NoLeader},
		{"no leader, wrapped", fmt.Errorf("join: %w", noLeader(t)), exit.NoLeader},
		{"nobody reachable", &client.UnansweredError{Faults: []client.Fault{refused}, Cause: late}, exit.Failed},
		{"reached and silent", &client.UnansweredError{Faults: []client.Fault{refused, silent}, Cause: late}, exit.Deadline},
		{"one that has no leader", &client.UnansweredError{Faults: []client.Fault{refused, leaderless}, Cause: late}, exit.NoLeader},
		{"a code of its own", fmt.Errorf("plan: %w", exit.Quiet(exit.Changes)), exit.Changes},
	} {
		if got := exit.Code(c.err); got != c.want {
			t.Errorf("%s: exit code %d, not %d", c.name, got, c.want)
		}
	}
}

func TestAMembersWordsAreTold(t *testing.T) {
	for want, err := range map[string]error{
		"":                        nil,
		"it needs --allow-stop":   status.Error(codes.FailedPrecondition, "it needs --allow-stop"),
		"join: no such place":     fmt.Errorf("join: %w", status.Error(codes.NotFound, "no such place")),
		"stopped":                 context.Canceled,
		"open mail.yaml: missing": errors.New("open mail.yaml: missing"),
		"the deadline passed before a member answered":                                              status.Error(codes.DeadlineExceeded, "stream terminated by RST_STREAM with error code: CANCEL"),
		"it hung up, as a raft port does or a member that ends (error reading server preface: EOF)": status.Error(codes.Unavailable, "error reading server preface: EOF"),
	} {
		if got := exit.Sentence(err); got != want {
			t.Errorf("told %q, not %q", got, want)
		}
	}
	if got := exit.Sentence(exit.Quiet(exit.Changes)); got != "" {
		t.Errorf("a quiet end tells %q", got)
	}
}
