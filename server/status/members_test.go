package status

import (
	"strings"
	"testing"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

func TestAMemberThatIsMissingIsNamedWithWhatItsLossMeans(t *testing.T) {
	log := serving(t)
	record := func(id, name string) {
		log.Must(&storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{Member: &v1.Member{
			Id: id, Name: name, RaftAddress: "127.0.0.1:74" + id[1:] + "0", Address: "127.0.0.1:74" + id[1:] + "1", MaxSchema: fsm.Schema,
		}}}})
	}
	record("m2", "beta")
	record("m3", "gamma")
	silent := func(d time.Duration) Contact { return Contact{Silent: true, For: d} }
	two := map[string]bool{"m1": true, "m2": true}
	three := map[string]bool{"m1": true, "m2": true, "m3": true}
	for _, c := range []struct {
		name     string
		leader   string
		voters   map[string]bool
		contacts map[string]Contact
		want     v1.StatusState
		says     []string
		not      string
	}{
		{"all are heard", "m1", three, Heard("m1", map[string]time.Duration{"m2": time.Second, "m3": 0}), ok, nil, "not heard"},
		{"nothing is known", "m1", three, nil, ok, nil, "not heard"},
		{
			"one of three", "m1", three, Heard("m1", map[string]time.Duration{"m2": 12*time.Second + 7, "m3": 0}), degraded,
			[]string{"Member beta (127.0.0.1:7421) was not heard for 12s: start it; one more loss costs the quorum."}, "gamma",
		},
		{
			"one that has no vote yet", "m1", two, map[string]Contact{"m1": {}, "m2": {}, "m3": silent(5 * time.Second)}, ok,
			[]string{"gamma (127.0.0.1:7431), which has no vote yet, was not heard for 5s: start it."}, "quorum",
		},
		{
			"nobody leads", "", three, map[string]Contact{"m1": {}, "m2": silent(0), "m3": silent(0)}, noQuorum,
			[]string{"Start the missing members: beta (127.0.0.1:7421), gamma (127.0.0.1:7431). More than half of 3 must run."}, "not heard",
		},
		{
			"nobody leads, and all answer", "", three, map[string]Contact{"m1": {}, "m2": {}, "m3": {}}, noQuorum,
			[]string{"Every member answers alpha"}, "Start",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Compute(Input{
				State: log.Machine.State(), Now: time.Now(), Leader: c.leader, AnsweredBy: "m1", Voters: c.voters, Contacts: c.contacts,
			})
			all := strings.Join(s.GetSentences(), "\n")
			if s.GetState() != c.want {
				t.Errorf("%v, want %v\n%s", s.GetState(), c.want, all)
			}
			for _, want := range c.says {
				if !strings.Contains(all, want) {
					t.Errorf("%q is missing in\n%s", want, all)
				}
			}
			if c.not != "" && strings.Contains(all, c.not) {
				t.Errorf("%q is said in\n%s", c.not, all)
			}
		})
	}
}
