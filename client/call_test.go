package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"roster/client"
	v1 "roster/proto/roster/v1"
)

func get(ctx context.Context, c *client.Client) (string, error) {
	r, err := v1.NewNodeServiceClient(c).GetNode(ctx, &v1.GetNodeRequest{Id: "n"})
	return r.GetNode().GetId(), err
}

func cordon(ctx context.Context, c *client.Client, id string) error {
	_, err := v1.NewNodeServiceClient(c).CordonNode(ctx, &v1.CordonNodeRequest{RequestId: id, Id: "n"})
	return err
}

func TestACallGoesOnToTheNextMemberWhenOneDies(t *testing.T) {
	a, b := start(t), start(t)
	c := newClient(t, client.Config{Members: []string{a.address, b.address}})
	begin(t, c, a.address)
	if who, err := get(within(t, patient), c); err != nil || who != a.address {
		t.Fatalf("%s, %v", who, err)
	}
	a.kill()
	for range 3 {
		if who, err := get(within(t, patient), c); err != nil || who != b.address {
			t.Fatalf("%s, %v", who, err)
		}
		if c.Current() != b.address {
			t.Fatalf("who answered is not remembered: %s", c.Current())
		}
	}
}

func TestAWriteThatBrokeOffIsMadeAgainUnderItsRequestID(t *testing.T) {
	a, b := start(t), start(t)
	c := newClient(t, client.Config{Members: []string{a.address, b.address}})
	begin(t, c, a.address)
	// The member dies with the call in its hands.
	a.does(func(ctx context.Context, m *fake) error {
		go m.server.Stop()
		<-ctx.Done()
		return ctx.Err()
	})
	id := c.RequestID()
	if err := cordon(within(t, patient), c, id); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.called(), []string{id}) || !slices.Equal(b.called(), []string{id}) {
		t.Errorf("calls %v, then %v, of %s", a.called(), b.called(), id)
	}
}

func TestAWriteWithoutARequestIDIsNeverMadeTwice(t *testing.T) {
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"no field for one": func(ctx context.Context, c *client.Client) error {
			_, err := v1.NewClusterServiceClient(c).TransferLeadership(ctx, &v1.TransferLeadershipRequest{Id: "m"})
			return err
		},
		"field left empty": func(ctx context.Context, c *client.Client) error { return cordon(ctx, c, "") },
	} {
		a, b := start(t), start(t)
		c := newClient(t, client.Config{Members: []string{a.address, b.address}})
		begin(t, c, a.address)
		a.does(func(ctx context.Context, m *fake) error {
			go m.server.Stop()
			<-ctx.Done()
			return ctx.Err()
		})
		err := call(within(t, patient), c)
		if !errors.Is(err, client.ErrUnknownOutcome) || !strings.Contains(err.Error(), a.address) {
			t.Errorf("%s: %v", name, err)
		}
		if client.ExitCode(err) != client.ExitError || status.Code(err) != codes.Unknown {
			t.Errorf("%s: exit %d, code %s", name, client.ExitCode(err), status.Code(err))
		}
		if n := len(a.called()) + len(b.called()); n != 1 {
			t.Errorf("%s: made %d times", name, n)
		}
	}
}

func TestAWriteThatWasNeverSentGoesToAnotherMemberWhateverItIs(t *testing.T) {
	b := start(t)
	gone := dead(t)
	c := newClient(t, client.Config{Members: []string{gone, b.address}})
	begin(t, c, gone)
	if _, err := v1.NewClusterServiceClient(c).TransferLeadership(within(t, patient), &v1.TransferLeadershipRequest{Id: "m"}); err != nil {
		t.Fatal(err)
	}
	// A member that says it knows no leader did nothing either.
	a := start(t)
	a.does(noLeader)
	c = newClient(t, client.Config{Members: []string{a.address, b.address}})
	begin(t, c, a.address)
	if _, err := v1.NewClusterServiceClient(c).TransferLeadership(within(t, patient), &v1.TransferLeadershipRequest{Id: "m"}); err != nil {
		t.Fatal(err)
	}
}

func TestWhenNobodyAnswersTheErrorNamesEachMemberAndWhy(t *testing.T) {
	silent := start(t)
	silent.does(func(ctx context.Context, _ *fake) error { <-ctx.Done(); return ctx.Err() })
	one, two := dead(t), dead(t)
	for name, tt := range map[string]struct {
		members []string
		want    []string
		exit    int
		code    codes.Code
	}{
		"refused": {[]string{one, two}, []string{one + ": ", two + ": ", "connection refused"}, client.ExitError, codes.Unavailable},
		"silent":  {[]string{silent.address}, []string{silent.address + ": did not answer in time"}, client.ExitDeadline, codes.DeadlineExceeded},
	} {
		c := newClient(t, client.Config{Members: tt.members})
		err := cordon(within(t, time.Second), c, c.RequestID())
		for _, want := range append(tt.want, "no member answered before the deadline") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), "rpc error") || strings.Contains(err.Error(), "desc =") {
			t.Errorf("%s: not for people: %v", name, err)
		}
		if client.ExitCode(err) != tt.exit || !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != tt.code {
			t.Errorf("%s: exit %d, code %s", name, client.ExitCode(err), status.Code(err))
		}
	}
}

func TestAWriteWhoseOutcomeIsNotKnownSaysSo(t *testing.T) {
	for name, tt := range map[string]struct {
		answer  func(ctx context.Context, m *fake) error
		unknown bool
	}{
		"silent": {func(ctx context.Context, _ *fake) error { <-ctx.Done(); return ctx.Err() }, true},
		"lost its leader in the middle": {func(ctx context.Context, m *fake) error {
			if len(m.called()) == 1 {
				return status.Error(codes.Unavailable, "lost the lead")
			}
			return noLeader(ctx, m)
		}, true},
		"never had a leader": {noLeader, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.does(tt.answer)
			c := newClient(t, client.Config{Members: []string{a.address}})
			err := cordon(within(t, time.Second), c, c.RequestID())
			if errors.Is(err, client.ErrUnknownOutcome) != tt.unknown || strings.Contains(err.Error(), "not known whether") != tt.unknown {
				t.Error(err)
			}
			if _, err := get(within(t, time.Second), c); err == nil || errors.Is(err, client.ErrUnknownOutcome) {
				t.Errorf("a read: %v", err)
			}
		})
	}
}

func TestACallThatIsGivenUpEndsAtOnce(t *testing.T) {
	c := newClient(t, client.Config{Members: []string{dead(t)}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := get(ctx, c)
	if !errors.Is(err, context.Canceled) || client.ExitCode(err) != client.ExitError {
		t.Errorf("%v, exit %d", err, client.ExitCode(err))
	}
}

func TestWithoutALeaderACallIsTriedUntilItsEndAndSaysSo(t *testing.T) {
	a, b := start(t), start(t)
	a.does(noLeader)
	b.does(noLeader)
	c := newClient(t, client.Config{Members: []string{a.address, b.address, dead(t)}})
	err := cordon(within(t, time.Second), c, c.RequestID())
	if client.ExitCode(err) != client.ExitNoLeader || client.Reason(err) != client.NoLeader || status.Code(err) != codes.Unavailable {
		t.Errorf("%v: exit %d, reason %q, code %s", err, client.ExitCode(err), client.Reason(err), status.Code(err))
	}
	if !strings.Contains(err.Error(), "the cluster has no leader") || !strings.Contains(err.Error(), a.address+": no member leads") {
		t.Errorf("%v", err)
	}
	if len(a.called()) < 2 || len(b.called()) < 2 {
		t.Errorf("tried %d and %d times", len(a.called()), len(b.called()))
	}
}

func TestACallEndsWithWhatIsKnownRatherThanInTheMiddleOfASearchForALeader(t *testing.T) {
	a := start(t)
	a.does(func(ctx context.Context, m *fake) error {
		// As a real member: it looks for a leader for a while.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(700 * time.Millisecond):
			return noLeader(ctx, m)
		}
	})
	c := newClient(t, client.Config{Members: []string{a.address, dead(t)}})
	err := cordon(within(t, 1400*time.Millisecond), c, c.RequestID())
	if client.ExitCode(err) != client.ExitNoLeader || errors.Is(err, client.ErrUnknownOutcome) || len(a.called()) != 1 {
		t.Errorf("%v after %d calls", err, len(a.called()))
	}
}

func TestACallSucceedsOnceThereIsALeader(t *testing.T) {
	a := start(t)
	a.does(func(ctx context.Context, m *fake) error {
		if len(m.called()) < 4 {
			return noLeader(ctx, m)
		}
		return nil
	})
	c := newClient(t, client.Config{Members: []string{a.address}})
	if err := cordon(within(t, patient), c, c.RequestID()); err != nil || len(a.called()) != 4 {
		t.Errorf("%v after %d tries", err, len(a.called()))
	}
}

func TestARefusalIsNotTriedAgain(t *testing.T) {
	a, b := start(t), start(t)
	a.does(func(context.Context, *fake) error { return status.Error(codes.Aborted, "another generation") })
	c := newClient(t, client.Config{Members: []string{a.address, b.address}})
	begin(t, c, a.address)
	err := cordon(within(t, patient), c, c.RequestID())
	if status.Code(err) != codes.Aborted || client.Sentence(err) != "another generation" || client.ExitCode(err) != client.ExitError {
		t.Errorf("%v", err)
	}
	if len(a.called()) != 1 || len(b.called()) != 0 {
		t.Errorf("calls %d, %d", len(a.called()), len(b.called()))
	}
}

func TestAMembersOwnDeadlineIsItsWord(t *testing.T) {
	a := start(t)
	a.does(func(context.Context, *fake) error { return status.Error(codes.DeadlineExceeded, "it took too long") })
	c := newClient(t, client.Config{Members: []string{a.address}})
	_, err := get(within(t, patient), c)
	if client.ExitCode(err) != client.ExitDeadline || client.Sentence(err) != "it took too long" {
		t.Errorf("%v", err)
	}
}

func TestTheClusterIDGoesWithEveryCall(t *testing.T) {
	a := start(t)
	c := newClient(t, client.Config{Members: []string{a.address}, ClusterID: "id-1"})
	if _, err := get(within(t, patient), c); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	got := a.metadata.Get(client.ClusterIDKey)
	a.mu.Unlock()
	if !slices.Equal(got, []string{"id-1"}) {
		t.Errorf("metadata %q", got)
	}
	one, err := c.On(a.address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v1.NewNodeServiceClient(one).GetNode(metadata.AppendToOutgoingContext(within(t, patient), "k", "v"), &v1.GetNodeRequest{}); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.metadata.Get(client.ClusterIDKey), []string{"id-1"}) || len(a.metadata.Get("k")) != 1 {
		t.Errorf("metadata %v", a.metadata)
	}
}

func TestOneMemberAloneIsAskedOnce(t *testing.T) {
	a, b := start(t), start(t)
	a.does(noLeader)
	c := newClient(t, client.Config{Members: []string{b.address}})
	one, err := c.On(a.address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = v1.NewNodeServiceClient(one).GetNode(within(t, patient), &v1.GetNodeRequest{})
	if client.Reason(err) != client.NoLeader || len(a.called()) != 1 || len(b.called()) != 0 {
		t.Errorf("%v, calls %d, %d", err, len(a.called()), len(b.called()))
	}
	if _, err := c.On("192.0.2.1:7400"); !errors.Is(err, client.ErrPlainNotLoopback) {
		t.Errorf("%v", err)
	}
}

func TestTheListOfMembersIsRefreshedWithoutCuttingCalls(t *testing.T) {
	a, b := start(t), start(t)
	a.members = []string{b.address, b.address}
	c := newClient(t, client.Config{Members: []string{a.address}})
	// A call is on its way while its member leaves the list.
	begun, finish := make(chan struct{}), make(chan struct{})
	a.does(func(ctx context.Context, _ *fake) error {
		if d, _ := metadata.FromIncomingContext(ctx); len(d.Get("slow")) == 0 {
			return nil
		}
		close(begun)
		select {
		case <-finish:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	})
	result := make(chan error, 1)
	go func() {
		_, err := get(metadata.AppendToOutgoingContext(within(t, patient), "slow", "1"), c)
		result <- err
	}()
	<-begun
	if err := c.Refresh(within(t, patient)); err != nil {
		t.Fatal(err)
	}
	if got := c.Members(); !slices.Equal(got, []string{b.address}) {
		t.Errorf("members %v", got)
	}
	if who, err := get(within(t, patient), c); err != nil || who != b.address {
		t.Errorf("%s, %v", who, err)
	}
	close(finish)
	if err := <-result; err != nil {
		t.Errorf("the call in progress: %v", err)
	}
	for _, bad := range []string{"nonsense", "192.0.2.1:1"} {
		if err := c.SetMembers([]string{bad}); err == nil || !slices.Equal(c.Members(), []string{b.address}) {
			t.Errorf("%s: %v, members %v", bad, err, c.Members())
		}
	}
	if err := c.SetMembers(nil); err != nil || len(c.Members()) != 1 {
		t.Errorf("an empty list: %v, members %v", err, c.Members())
	}
}

func TestAClosedClientSaysSo(t *testing.T) {
	a := start(t)
	c := newClient(t, client.Config{Members: []string{a.address}})
	if _, err := get(within(t, patient), c); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := get(within(t, patient), c)
	_, onErr := c.On(a.address)
	if !errors.Is(err, client.ErrClosed) || !errors.Is(onErr, client.ErrClosed) || !errors.Is(c.SetMembers([]string{a.address}), client.ErrClosed) {
		t.Errorf("%v, %v", err, onErr)
	}
}

func TestValidateReportsAllFaultsAtOnce(t *testing.T) {
	_, err := client.New(client.Config{Members: []string{"10.0.0.1:7400", "nowhere", ":1", "127.0.0.1:http", "example.org:7400", "localhost:0"}})
	for _, want := range []string{"10.0.0.1:7400", "nowhere", `":1"`, `"http"`, "example.org", `"0"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if !errors.Is(err, client.ErrPlainNotLoopback) {
		t.Errorf("%v", err)
	}
	if _, err := client.New(client.Config{}); err == nil {
		t.Error("no member was accepted")
	}
	if err := (client.Config{Members: []string{"[::1]:1", "127.9.9.9:1", "localhost:1", "[::ffff:127.0.0.1]:1"}}).Validate(); err != nil {
		t.Errorf("loopback: %v", err)
	}
}
