package rpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "roster/proto/roster/v1"

	"roster/client"
)

// asks is a cluster of three nodes, two of which serve imap.
func asks(t *testing.T) *live {
	t.Helper()
	l := serve(t)
	for _, id := range []string{"n-1", "n-2", "n-3"} {
		l.log.Register(id, "imap", "jmap")
	}
	l.log.Apply("name: asks\npools:\n  - {name: mail, services: [imap], count: 2}\n")
	l.serves("imap", "mail", "n-1", "n-2")
	l.settle()
	l.put(&v1.Member{Id: self, Name: "alpha", Address: "127.0.0.1:1", RaftAddress: "127.0.0.1:2"})
	return l
}

// jmapOnly is the same on paper with jmap, on the nodes that imap has not.
const jmapOnly = "name: jmap\npools:\n  - {name: jmap, services: [jmap], count: 3}\n"

func TestWhatIfIsAskedOfTheLiveStateOrOfAFileAndChangesNothing(t *testing.T) {
	l := asks(t)
	l.stays(func() {
		survive, err := l.whatIf().Survive(t.Context(), &v1.SurviveRequest{})
		l.must(err)
		kinds := map[v1.LossKind]int{}
		for _, loss := range survive.GetLosses() {
			kinds[loss.GetKind()]++
		}
		if kinds[v1.LossKind_LOSS_KIND_NODE] != 3 || kinds[v1.LossKind_LOSS_KIND_NODES] != 3 || kinds[v1.LossKind_LOSS_KIND_ZONE] != 1 || kinds[v1.LossKind_LOSS_KIND_MEMBERS] != 1 {
			t.Errorf("losses by kind: %v", kinds)
		}
		if without, err := l.whatIf().Survive(t.Context(), &v1.SurviveRequest{WithoutPairs: true}); err != nil || len(without.GetLosses()) != len(survive.GetLosses())-3 {
			t.Errorf("without pairs: %d losses of %d, %v", len(without.GetLosses()), len(survive.GetLosses()), err)
		}
		under, err := l.whatIf().Survive(t.Context(), &v1.SurviveRequest{Source: []byte(jmapOnly)})
		l.must(err)
		if s := under.GetLosses()[0].GetServices(); len(s) != 1 || s[0].GetService() != "jmap" || s[0].GetReady() != 2 {
			t.Errorf("under a file, a node lost leaves %v", s)
		}
		simulated, err := l.whatIf().Simulate(t.Context(), &v1.SimulateRequest{Fail: []string{"n-1"}})
		l.must(err)
		if s := simulated.GetLoss().GetServices(); len(s) != 1 || s[0].GetService() != "imap" || s[0].GetReady() != 1 || s[0].GetRecovered() != 2 || len(simulated.GetStages()) == 0 {
			t.Errorf("simulated: %v", simulated)
		}
		if lost := simulated.GetLoss().GetLost(); len(lost) != 1 || lost[0] != "n-1" || simulated.GetLoss().GetKind() != v1.LossKind_LOSS_KIND_NODE {
			t.Errorf("lost: %v", simulated.GetLoss())
		}
	})
}

func TestAnExplanationIsOfTheRecordsUnderTheTopologyThatIsAskedFor(t *testing.T) {
	l := asks(t)
	here, err := l.whatIf().Explain(t.Context(), &v1.ExplainRequest{Service: "imap", Node: "n-1"})
	if err != nil || !here.GetWanted() || here.GetPool() != "mail" || here.GetReason() == "" || here.GetPresent() == "" {
		t.Errorf("why here: %v, %v", here, err)
	}
	there, err := l.whatIf().Explain(t.Context(), &v1.ExplainRequest{Service: "imap", Node: "n-3"})
	if err != nil || there.GetWanted() || there.GetReason() == "" {
		t.Errorf("why not there: %v, %v", there, err)
	}
	under, err := l.whatIf().Explain(t.Context(), &v1.ExplainRequest{Service: "jmap", Node: "n-1", Source: []byte(jmapOnly)})
	if err != nil || !under.GetWanted() || under.GetPool() != "jmap" {
		t.Errorf("under a file: %v, %v", under, err)
	}
	_, err = l.whatIf().Explain(t.Context(), &v1.ExplainRequest{Service: "imap", Node: "n-9"})
	l.refuse(err, want{codes.NotFound, "NOT_FOUND", "roster node list"})
	_, err = l.whatIf().Explain(t.Context(), &v1.ExplainRequest{Service: "nntp", Node: "n-1"})
	l.refuse(err, want{codes.NotFound, "NOT_FOUND", "nntp"})
	_, err = l.whatIf().Explain(t.Context(), &v1.ExplainRequest{Service: "imap"})
	l.refuse(err, want{codes.InvalidArgument, "INVALID", "roster explain"})
}

func TestAQuestionThatMakesNoSenseIsRefused(t *testing.T) {
	l := asks(t)
	for _, fail := range [][]string{nil, {"n-9"}, {"zone:z9"}, {"region:r9"}, {"member:m9"}, {"rack:4"}} {
		_, err := l.whatIf().Simulate(t.Context(), &v1.SimulateRequest{Fail: fail})
		if status.Code(err) != codes.InvalidArgument || client.Reason(err) != "INVALID" || client.Sentence(err) == "" {
			t.Errorf("%v fails: %v", fail, err)
		}
	}
	for what, call := range map[string]func(file string) error{
		"simulate": func(file string) error {
			_, err := l.whatIf().Simulate(t.Context(), &v1.SimulateRequest{Fail: []string{"n-1"}, Source: []byte(file), FileName: "x.yaml"})
			return err
		},
		"survive": func(file string) error {
			_, err := l.whatIf().Survive(t.Context(), &v1.SurviveRequest{Source: []byte(file), FileName: "x.yaml"})
			return err
		},
		"explain": func(file string) error {
			_, err := l.whatIf().Explain(t.Context(), &v1.ExplainRequest{Service: "imap", Node: "n-1", Source: []byte(file), FileName: "x.yaml"})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			l.refuse(call("name: x\npools: 7\n"), want{codes.InvalidArgument, "BAD_TOPOLOGY", "x.yaml:2"})
			l.refuse(call("cluster: another\nname: x\npools:\n  - {name: p, services: [imap], all: true}\n"), want{codes.InvalidArgument, "BAD_TOPOLOGY", "another"})
		})
	}
	empty := serve(t)
	_, err := empty.whatIf().Survive(t.Context(), &v1.SurviveRequest{})
	empty.refuse(err, want{codes.FailedPrecondition, "NO_TOPOLOGY", "give a file"})
}

func TestOneQuestionIsWorkedOnAtATimeAndTooManyAreTurnedAway(t *testing.T) {
	desk := NewDesk()
	working, finish := make(chan int), make(chan struct{})
	answers := make(chan error)
	ask := func(ctx context.Context, n int) {
		_, err := atDesk(ctx, desk, func() (int, error) {
			working <- n
			<-finish
			return n, nil
		})
		answers <- err
	}
	go ask(t.Context(), 0)
	<-working
	leaving, leave := context.WithCancel(t.Context())
	go ask(leaving, 1)
	for n := range mostAtDesk - 2 {
		go ask(t.Context(), n+2)
	}
	until(t, func() bool { return len(desk.line) == mostAtDesk })
	turned, end := context.WithTimeout(t.Context(), 10*time.Second)
	defer end()
	_, err := atDesk(turned, desk, func() (int, error) { return 0, errors.New("it was worked on") })
	checkRefusal(t, err, want{codes.ResourceExhausted, "BUSY", "ask another one"})
	leave()
	select {
	case err := <-answers:
		if status.Code(err) != codes.Canceled {
			t.Errorf("who leaves is told %v", err)
		}
	case n := <-working:
		t.Fatalf("%d is worked on beside another", n)
	}
	until(t, func() bool { return len(desk.line) == mostAtDesk-1 })
	for range mostAtDesk - 1 {
		select {
		case n := <-working:
			t.Fatalf("%d is worked on beside another", n)
		default:
		}
		finish <- struct{}{}
		if err := <-answers; err != nil {
			t.Errorf("%v", err)
		}
		if len(desk.line) > 0 {
			<-working
		}
	}
	if n := len(desk.line) + len(desk.turn); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// What is begun ends by itself; the next one's turn comes then.
func TestWhoLeavesInTheMiddleIsNotWaitedForByTheNext(t *testing.T) {
	desk := NewDesk()
	leaving, leave := context.WithCancel(t.Context())
	begun := make(chan struct{})
	answered := make(chan error, 1)
	go func() {
		_, err := atDesk(leaving, desk, func() (int, error) {
			close(begun)
			<-leaving.Done()
			return 0, errors.New("stopped")
		})
		answered <- err
	}()
	<-begun
	leave()
	if err := <-answered; status.Code(err) != codes.Canceled && err.Error() != "stopped" {
		t.Errorf("%v", err)
	}
	if got, err := atDesk(t.Context(), desk, func() (int, error) { return 7, nil }); got != 7 || err != nil {
		t.Errorf("the next: %d, %v", got, err)
	}
}

// A panic in another goroutine than the handler's would end the member.
func TestAQuestionThatPanicsIsItsHandlersToCatch(t *testing.T) {
	desk := NewDesk()
	defer func() {
		if recover() != "oh" {
			t.Error("the handler does not learn of it")
		}
		if _, err := atDesk(t.Context(), desk, func() (int, error) { return 0, nil }); err != nil {
			t.Errorf("the next: %v", err)
		}
	}()
	_, _ = atDesk(t.Context(), desk, func() (int, error) { panic("oh") })
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within a minute")
		}
	}
}
