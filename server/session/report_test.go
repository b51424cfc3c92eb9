package session

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
)

var errNobody = errors.New("nobody leads")

// reports counts the reports that were proposed.
func (d *desk) reports() (n int) {
	for _, c := range d.Commands() {
		if c.GetReportNode() != nil {
			n++
		}
	}
	return n
}

// started is an agent whose imap is wanted serving, and the set's generation.
func (d *desk) started() (*agent, uint64) {
	d.t.Helper()
	d.Apply(one)
	a := d.agent("n", "imap")
	a.set()
	d.Move("n", v1.Action_ACTION_START, "imap", "test", "imap")
	return a, a.set().GetGeneration()
}

// settle lets everything happen that needs no time.
func (a *agent) settle() { a.heard() }

func TestAReportIsWrittenOncePerChange(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, generation := d.started()
		for range 30 {
			a.beat(generation, serving("imap"))
			a.settle()
			time.Sleep(beat)
		}
		if n := d.reports(); n != 1 {
			t.Errorf("%d reports of one change", n)
		}
		failing := &v1.ServiceReport{Service: "imap", State: v1.ServiceState_SERVICE_STATE_FAILING, Detail: "no greeting"}
		a.beat(generation, failing)
		a.settle()
		if n := d.reports(); n != 2 {
			t.Errorf("%d reports after the second change", n)
		}
	})
}

func TestAReportThatWasNotWrittenIsTriedAgainByItself(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, generation := d.started()
		d.Fail(func(*storev1.Command) error { return errNobody })
		a.beat(generation, serving("imap"))
		a.settle()
		d.Fail(nil)
		// No other heartbeat comes.
		time.Sleep(beat / 2)
		synctest.Wait()
		if got := reported(d.Machine.State().Node("n"), "imap").GetState(); got != v1.ServiceState_SERVICE_STATE_SERVING {
			t.Errorf("the record has %v", got)
		}
	})
}

func TestWhatTheStateMachineRefusedIsNotAskedAgainUnchanged(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, generation := d.started()
		twice := []*v1.ServiceReport{serving("imap"), serving("imap")}
		for range 10 {
			a.beat(generation, twice...)
			a.settle()
			time.Sleep(beat)
		}
		if n := d.reports(); n != 1 {
			t.Errorf("an invalid report was proposed %d times", n)
		}
		a.beat(generation, serving("imap"))
		a.settle()
		if n := d.reports(); n != 2 {
			t.Errorf("a valid one after it was not proposed")
		}
	})
}

// A report of an old set cannot make a service ready; the record says so, and
// the agent says the same until it holds the new set.
func TestAnAgentThatLagsDoesNotFillTheLog(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, generation := d.started()
		for range 10 {
			a.beat(generation-1, serving("imap"))
			a.settle()
			time.Sleep(beat)
		}
		if n := d.reports(); n != 1 {
			t.Errorf("%d reports of an old set", n)
		}
		a.beat(generation, serving("imap"))
		a.settle()
		if got := reported(d.Machine.State().Node("n"), "imap").GetState(); got != v1.ServiceState_SERVICE_STATE_SERVING {
			t.Errorf("of the new set: %v", got)
		}
	})
}

// meanwhile lets the leader do something between a report's commit and its answer.
type meanwhile struct {
	*fixture.Log
	do func()
}

func (m *meanwhile) Propose(ctx context.Context, caller, id string, c *storev1.Command) (*storev1.Result, error) {
	result, err := m.Log.Propose(ctx, caller, id, c)
	if do := m.do; do != nil && c.GetReportNode() != nil {
		m.do = nil
		do()
	}
	return result, err
}

// A new leader marks a node down and up while its report is on the way; then the
// record waits for it again, and the agent has nothing new to say.
func TestANodeThatWasDownWhileItReportedReportsAgain(t *testing.T) {
	inDesk(t, func(d *desk) {
		proposer := &meanwhile{Log: d.Log}
		hub, err := New(Config{Machine: d.Machine, Proposer: proposer, HasLeader: func() bool { return true }, Fresh: caughtUp(d.Log, d.Machine), Heartbeat: beat})
		if err != nil {
			t.Fatal(err)
		}
		d.hub = hub
		a, generation := d.started()
		proposer.do = func() {
			d.SetState("n", v1.NodeState_NODE_STATE_DOWN)
			d.SetState("n", v1.NodeState_NODE_STATE_UP)
		}
		for range 3 {
			a.beat(generation, serving("imap"))
			a.settle()
			time.Sleep(beat)
		}
		if got := reported(d.Machine.State().Node("n"), "imap"); got.GetState() != v1.ServiceState_SERVICE_STATE_SERVING {
			t.Errorf("it serves, and the record has %v", got)
		}
	})
}

func TestWordsAloneAreToldSeldom(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, generation := d.started()
		detail := func(i int) *v1.ServiceReport {
			return &v1.ServiceReport{
				Service: "imap", State: v1.ServiceState_SERVICE_STATE_FAILING, Sessions: uint32(i),
				Detail: fmt.Sprintf("read tcp 127.0.0.1:%d: reset", 40000+i),
			}
		}
		const minute = 30
		for i := range minute {
			a.beat(generation, detail(i))
			a.settle()
			time.Sleep(beat)
		}
		if n := d.reports(); n < 2 || n > minute/wordsEvery+1 {
			t.Errorf("%d reports of %d heartbeats that differ in words", n, minute)
		}
	})
}

func TestAServiceThatFlapsDoesNotFillTheLog(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, generation := d.started()
		states := []v1.ServiceState{v1.ServiceState_SERVICE_STATE_FAILING, v1.ServiceState_SERVICE_STATE_SERVING}
		began := time.Now()
		for i := range 1000 {
			a.beat(generation, &v1.ServiceReport{Service: "imap", State: states[i%2]})
			a.settle()
			time.Sleep(10 * time.Millisecond)
		}
		most := reportBurst + int(4*time.Since(began)/beat) + 1
		if n := d.reports(); n < reportBurst || n > most {
			t.Errorf("%d reports, at most %d", n, most)
		}
		time.Sleep(beat)
		synctest.Wait()
		if got := reported(d.Machine.State().Node("n"), "imap").GetState(); got != states[1] {
			t.Errorf("the last word was not written: %v", got)
		}
	})
}
