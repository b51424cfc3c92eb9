package agent

import (
	"context"
	"errors"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// What is said of services that are left as they are.
const (
	foreign      = "it answers, but Roster did not start it: it is left alone"
	neverStopped = "never_stop of this host's config keeps it: it is neither drained nor stopped"
	notTaken     = "it serves, but Roster did not start it and cannot take it over, so it can be neither drained nor stopped: give `adopt` in this agent's config"
)

// watch reports a service that is not asked for.
func (w *worker) watch(ctx context.Context, seen driver.Observation) time.Duration {
	w.start.over()
	w.leave.over()
	if seen.Running {
		return w.lookOn(ctx, order{}, seen, muteState(seen), "")
	}
	return w.lookOn(ctx, order{}, seen, muteState(seen), foreign)
}

// muteState is what a service is reported as that does not answer.
func muteState(seen driver.Observation) v1.ServiceState {
	if seen.Running {
		return v1.ServiceState_SERVICE_STATE_FAILING
	}
	return v1.ServiceState_SERVICE_STATE_STOPPED
}

// lookOn reports what is true and touches nothing: serving where it answers, else what
// mute says. note is added for people.
func (w *worker) lookOn(ctx context.Context, o order, seen driver.Observation, mute v1.ServiceState, note string) time.Duration {
	const draining, drained = v1.ServiceState_SERVICE_STATE_DRAINING, v1.ServiceState_SERVICE_STATE_DRAINED
	was := w.a.board.state(w.name)
	if seen.Running && seen.Draining && !o.off.observe {
		if was != drained {
			was = draining
		}
		w.report(was, seen, sentences(seen.Detail, note))
		return w.a.cfg.ProbeInterval
	}
	token := w.a.board.token(w.name)
	err := w.ask(ctx)
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil && len(w.claim.GetEndpoints()) > 0:
		w.probeFailures = 0
		w.a.board.serves(w.name, token, seen, sentences(seen.Detail, note))
		return w.a.cfg.ProbeInterval
	}
	// One lost probe proves little.
	if w.probeFailures++; was == v1.ServiceState_SERVICE_STATE_SERVING && w.probeFailures < 2 {
		return quickProbe
	}
	if note == foreign {
		note = "" // nothing answers
	}
	if mute == v1.ServiceState_SERVICE_STATE_FAILING || o.off.observe {
		note = sentences(note, errText(err))
	}
	if o.off.observe {
		mute = v1.ServiceState_SERVICE_STATE_STOPPED
	}
	w.report(mute, seen, sentences(seen.Detail, note))
	return w.a.cfg.ProbeInterval
}

// undone is what an order asks for that is not done while hands are off; empty where
// all of it is true already.
func (w *worker) undone(o order, seen driver.Observation) string {
	verb := ""
	switch {
	case o.off.observe || !o.known:
	case o.wanted == v1.Wanted_WANTED_SERVING && !seen.Running && !seen.Adoptable:
		verb = "not started"
	case o.wanted == v1.Wanted_WANTED_SERVING && seen.Draining:
		verb = "its drain is not taken back"
	case o.wanted == v1.Wanted_WANTED_DRAINING && seen.Running:
		verb = "not drained"
	case o.wanted == v1.Wanted_WANTED_UNSPECIFIED && seen.Running:
		verb = "not stopped"
	}
	if verb == "" {
		return ""
	}
	return verb + ": " + o.off.why
}

// leaves says whether an order would end sessions of what runs.
func leaves(o order, seen driver.Observation) bool {
	return seen.Running && o.wanted != v1.Wanted_WANTED_SERVING ||
		seen.Adoptable && o.wanted == v1.Wanted_WANTED_DRAINING
}

// takeOver makes what runs already the driver's own. It serves before and after, so
// nothing else is ever reported of it.
func (w *worker) takeOver(ctx context.Context, o order, seen driver.Observation) time.Duration {
	adopter, ok := w.driver.(driver.Adopter)
	if !ok {
		return w.lookOn(ctx, o, seen, v1.ServiceState_SERVICE_STATE_FAILING, notTaken)
	}
	if pause := w.start.wait(); pause > 0 {
		return min(pause, w.lookOn(ctx, o, seen, v1.ServiceState_SERVICE_STATE_FAILING, w.start.why))
	}
	err := w.act(ctx, o, false, func(ctx context.Context) error { return adopter.Adopt(ctx, w.name) })
	switch {
	case ctx.Err() != nil || errors.Is(err, errSuperseded):
		return 0
	case err != nil:
		w.start.tried("it could not be taken over: " + err.Error())
		w.a.log.Warn("service could not be taken over", "service", w.name, "error", err)
		return min(w.start.wait(), w.lookOn(ctx, o, seen, v1.ServiceState_SERVICE_STATE_FAILING, w.start.why))
	}
	w.start.over()
	w.tried(o)
	w.a.log.Info("service taken over as it runs", "service", w.name, "pid", seen.PID)
	return 0
}

// servesAnyway reports a service that answers though this node's driver neither started
// it nor can take it over. What answered before the node was handed over is the service,
// whoever started it: a second copy would only cut it off. False where nothing answers.
func (w *worker) servesAnyway(ctx context.Context, seen driver.Observation) (time.Duration, bool) {
	if !w.a.observes() {
		return 0, false
	}
	token := w.a.board.token(w.name)
	was := w.a.board.state(w.name)
	err := w.ask(ctx)
	switch {
	case ctx.Err() != nil:
		return 0, true
	case err == nil:
		w.probeFailures = 0
		w.a.board.serves(w.name, token, seen, sentences(seen.Detail, notTaken))
		return w.a.cfg.ProbeInterval, true
	}
	w.probeFailures++
	return quickProbe, was == v1.ServiceState_SERVICE_STATE_SERVING && w.probeFailures < 2
}

// sentences joins what there is to say.
func sentences(all ...string) string {
	text := ""
	for _, one := range all {
		switch {
		case one == "" || one == text:
		case text == "":
			text = one
		default:
			text += "; " + one
		}
	}
	return text
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
