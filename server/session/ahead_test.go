package session

import (
	"testing"
	"testing/synctest"

	v1 "roster/proto/roster/v1"
)

func TestAnAgentThatIsAheadIsWelcomedAndSentTheSetThatTheClusterHas(t *testing.T) {
	for name, held := range map[string]version{"by generation": {1, 90}, "by epoch": {2, 1}} {
		t.Run(name, func(t *testing.T) {
			inDesk(t, func(d *desk) {
				d.Register("n", "imap")
				d.Apply(one)
				h := hello("n", "imap")
				h.Epoch, h.Generation = held.epoch, held.generation
				a := d.open(d.hub, h)
				a.welcomed()
				if got := a.set(); got.GetEpoch() != 1 || got.GetGeneration() != d.Machine.State().Node("n").GetGeneration() {
					t.Errorf("sent %v", got)
				}
				// It is sent the next one too, though that is older than its own.
				d.Move("n", v1.Action_ACTION_START, "imap", "test", "imap")
				if got := a.set(); len(got.GetAssignments()) != 1 {
					t.Errorf("then %v", got)
				}
				if more := a.heard(); len(more) != 0 {
					t.Errorf("and then %v", more)
				}
			})
		})
	}
}

func TestWhatHoldsAnAgentBackIsReportedOnceAndItsEndToo(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap")
		a.set()
		tell := func(frozen string, ahead bool) *v1.Node {
			for range 3 {
				a.seq++
				a.stream.in <- &v1.SessionRequest{Message: &v1.SessionRequest_Heartbeat{Heartbeat: &v1.Heartbeat{
					Sequence: a.seq, Epoch: 4, Generation: 7, Frozen: frozen, Ahead: ahead, Reports: []*v1.ServiceReport{serving("imap")},
				}}}
				synctest.Wait()
				a.heard()
			}
			return d.Machine.State().Node("n")
		}
		if n := tell("kernel update", false); n.GetFrozen() != "kernel update" || n.GetAhead() != nil {
			t.Errorf("frozen by its host: %v", n)
		}
		if n := tell("", true); n.GetFrozen() != "" || n.GetAhead().GetEpoch() != 4 || n.GetAhead().GetGeneration() != 7 {
			t.Errorf("ahead: %v", n)
		}
		if n := tell("", false); n.GetAhead() != nil {
			t.Errorf("ahead no more: %v", n)
		}
		reports := 0
		for _, c := range d.Commands() {
			if c.GetReportNode() != nil {
				reports++
			}
		}
		if reports != 3 {
			t.Errorf("%d reports were written of three changes, each told three times", reports)
		}
	})
}

func TestWhatAnAgentMayDoIsNewsWithoutANewSet(t *testing.T) {
	told := word{version: version{1, 5}}
	for name, c := range map[string]struct {
		now  word
		news bool
	}{
		"the same":                          {word{version: version{1, 5}}, false},
		"a newer set":                       {word{version: version{1, 6}}, true},
		"a newer history":                   {word{version: version{2, 1}}, true},
		"an older set":                      {word{version: version{1, 4}, handsOff: true}, false},
		"it shall observe":                  {word{version: version{1, 5}, observe: true}, true},
		"hands off":                         {word{version: version{1, 5}, handsOff: true}, true},
		"the set replaces a newer one, too": {word{version: version{1, 5}, supersedes: &v1.SetVersion{Epoch: 1, Generation: 9}}, true},
	} {
		if got := c.now.newsAfter(told); got != c.news {
			t.Errorf("%s: news %t, want %t", name, got, c.news)
		}
	}
}
