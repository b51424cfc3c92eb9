package outlook

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/whatif"
	"roster/integration/leak"
	"roster/server/internal/fixture"
)

func TestMain(m *testing.M) { leak.Main(m) }

const file = "name: o\npools:\n  - {name: imap, services: [imap], count: 2}\n"

// scene is an outlook over a fixture, in virtual time.
type scene struct {
	*fixture.Log
	*Outlook
	looks atomic.Int32
	// takes is how long a look takes.
	takes  time.Duration
	voters []string
}

func inScene(t *testing.T, f func(*scene)) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{Log: fixture.New(t), voters: []string{"m1"}}
		for _, id := range []string{"n-1", "n-2", "n-3"} {
			s.Register(id, "imap")
		}
		s.Apply(file)
		for _, id := range []string{"n-1", "n-2"} {
			s.Move(id, v1.Action_ACTION_START, "imap", "test", "imap")
			s.Obey(id)
		}
		s.Outlook = New(Config{
			Machine: s.Machine, Voters: func() []string { return s.voters },
			Cluster: func(state *fsm.State) *whatif.Cluster { return fsm.Hypothetical(state, state.Effective(), time.Now()) },
			Look: func(c *whatif.Cluster) *v1.Survival {
				s.looks.Add(1)
				time.Sleep(s.takes)
				return c.Outlook()
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		f(s)
		cancel()
		<-done
		synctest.Wait()
		time.Sleep(s.takes) // what was begun is finished beside
	})
}

func (s *scene) of() *v1.Survival { return s.Of(s.Machine.State()) }

func (s *scene) label(value string) {
	s.Must(&storev1.Command{Command: &storev1.Command_UpdateNode{UpdateNode: &storev1.UpdateNode{Id: "n-3", SetLabels: map[string]string{"rack": value}}}})
}

// after lets so much time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWhatWouldBeSurvivedIsKnownOnceNothingHasChangedForAWhile(t *testing.T) {
	inScene(t, func(s *scene) {
		if s.of() != nil {
			t.Error("it is known at once")
		}
		for i := range 10 {
			after(3 * time.Second)
			s.label(strconv.Itoa(i))
		}
		if n := s.looks.Load(); n != 0 || s.of() != nil {
			t.Errorf("while it changes, it was looked at %d times, and is %v", n, s.of())
		}
		after(15 * time.Second)
		if got := s.of(); !got.GetAnyNode() || s.looks.Load() != 1 {
			t.Errorf("afterwards: %v, looked at %d times", got, s.looks.Load())
		}
		after(time.Hour)
		if n := s.looks.Load(); n != 1 {
			t.Errorf("nothing changes, and it was looked at %d times", n)
		}
	})
}

func TestWhatIsNoLongerTrueIsNotTold(t *testing.T) {
	inScene(t, func(s *scene) {
		after(time.Minute)
		known := s.Machine.State()
		for name, change := range map[string]func(){
			"a node is down":          func() { s.SetState("n-1", v1.NodeState_NODE_STATE_DOWN) },
			"a service fails":         func() { s.report("n-2", v1.ServiceState_SERVICE_STATE_FAILING) },
			"another topology":        func() { s.Apply("# other\n" + file + "survives: {nodes: 1}\n") },
			"another label":           func() { s.label("r9") },
			"another member may vote": func() { s.voters = []string{"m1", "m2"} },
		} {
			if s.of() == nil {
				t.Fatalf("before %s it is not known", name)
			}
			change()
			if s.of() != nil {
				t.Errorf("%s, and what was true before is told", name)
			}
			s.label(name) // the votes alone wake nobody
			after(time.Minute)
		}
		if s.Of(known) != nil {
			t.Error("of a state of long ago, what is true now is told")
		}
	})
}

func (s *scene) report(id string, state v1.ServiceState) {
	n := s.Machine.State().Node(id)
	s.Must(&storev1.Command{Command: &storev1.Command_ReportNode{ReportNode: &storev1.ReportNode{
		Id: id, Instance: n.GetInstance(), ReportedGeneration: n.GetGeneration(), Reports: []*v1.ServiceReport{{Service: "imap", State: state}},
	}}})
}

// What does not decide it leaves it as it is.
func TestNewsThatDecideNothingLeaveItKnown(t *testing.T) {
	inScene(t, func(s *scene) {
		after(time.Minute)
		s.SetState("n-1", v1.NodeState_NODE_STATE_SUSPECT)
		s.Must(&storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{
			Member: &v1.Member{Id: "m1", Name: "alpha", Address: "127.0.0.1:1", RaftAddress: "127.0.0.1:2", MaxSchema: fsm.Schema},
		}}})
		after(time.Minute)
		looks := s.looks.Load()
		s.SetState("n-1", v1.NodeState_NODE_STATE_UP)
		if s.of() == nil {
			t.Error("a node was suspect for a moment, and nothing is known any more")
		}
		after(time.Minute)
		if s.looks.Load() != looks {
			t.Errorf("looked at %d times more", s.looks.Load()-looks)
		}
	})
}

func TestALookThatTakesLongIsRare(t *testing.T) {
	inScene(t, func(s *scene) {
		s.takes = 10 * time.Second
		const minutes = 30
		for i := range minutes * 4 {
			s.label(strconv.Itoa(i))
			after(15 * time.Second)
		}
		if n := s.looks.Load(); n < minutes/3 || n > minutes*6/10+1 {
			t.Errorf("in %d minutes it was looked at %d times, for 10 s each", minutes, n)
		}
	})
}

func TestALookThatPanicsEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := fixture.New(t)
		log.Register("n-1", "imap")
		log.Apply(file)
		o := New(Config{
			Machine: log.Machine, Look: func(*whatif.Cluster) *v1.Survival { panic("oh") },
			Cluster: func(state *fsm.State) *whatif.Cluster { return fsm.Hypothetical(state, state.Effective(), time.Now()) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- o.Run(ctx) }()
		after(time.Minute)
		if got := o.Of(log.Machine.State()); got != nil {
			t.Errorf("it is said to be %v", got)
		}
		cancel()
		if err := <-done; ctx.Err() == nil || err == nil {
			t.Errorf("%v", err)
		}
	})
}
