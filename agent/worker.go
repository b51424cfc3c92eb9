package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

const (
	// startWithin is how long a service may start before it counts as failing.
	startWithin = 60 * time.Second
	// stableAfter is how long a service serves until earlier failures are forgiven.
	stableAfter = 60 * time.Second
	// firstBackoff and longestBackoff bound the pause before a start is tried again.
	firstBackoff   = 500 * time.Millisecond
	longestBackoff = 30 * time.Second
	// quickProbe and slowProbe bound the pause between probes while a service starts.
	quickProbe = 50 * time.Millisecond
	slowProbe  = time.Second
	// shortestPause keeps a worker from spinning, whatever a step says.
	shortestPause = 10 * time.Millisecond
	// sessionsEvery is how often the sessions of a drain are counted for the report.
	sessionsEvery = 2 * time.Second
)

// errSuperseded: a newer set asks for something else.
var errSuperseded = errors.New("a newer set asks for something else")

// worker makes one service what the held set asks for. It looks at what is, never at
// what was said before: any step may be the first one.
type worker struct {
	a      *Agent
	claim  *v1.ServiceClaim
	name   string
	driver driver.Driver
	// turn is held while a member of the restart group starts or stops; nil where
	// the service changes live.
	turn chan struct{}
	// kick wakes the worker: look again.
	kick chan struct{}

	// starts counts starts since the service last was stable.
	starts int
	// notBefore is when the next start may be tried.
	notBefore time.Time
	// startedAt is when the last start succeeded; zero: not by this worker.
	startedAt time.Time
	// probeFailures counts failed probes in a row.
	probeFailures int
	// why is the reason of the last failed start.
	why string
	// token is raised when the restart group restarted the service.
	token uint64
}

func (w *worker) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// run steps until ctx ends.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		o, changed := w.a.orders.of(w.name)
		ended := w.ended()
		stepCtx, cancel := until(ctx, changed)
		pause := w.step(stepCtx, o)
		cancel()
		w.tried(o)
		if ended == nil {
			ended = w.ended()
		}
		timer := time.NewTimer(max(pause, shortestPause))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-w.kick:
		case <-ended:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// ended returns a channel that is closed when what runs now ends; nil where
// nothing runs. An end that lies behind is no news: a step sees it, and waiting
// for it would never wait.
func (w *worker) ended() <-chan struct{} {
	watcher, ok := w.driver.(driver.Watcher)
	if !ok {
		return nil
	}
	ended := watcher.Ended(w.name)
	select {
	case <-ended:
		return nil
	default:
		return ended
	}
}

// until returns a context that ends with ctx or when changed is closed.
func until(ctx context.Context, changed <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-changed:
			cancel(errSuperseded)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled); <-done }
}

// step does what there is to do and returns when to look again.
func (w *worker) step(ctx context.Context, o order) time.Duration {
	seen, err := w.driver.Observe(ctx, w.name)
	if err != nil {
		if ctx.Err() == nil {
			w.report(v1.ServiceState_SERVICE_STATE_FAILING, seen, err.Error())
		}
		return w.a.cfg.ProbeInterval
	}
	switch {
	case !o.known:
		return w.watch(ctx, seen)
	case o.wanted == v1.Wanted_WANTED_SERVING:
		return w.serve(ctx, o, seen)
	case o.wanted == v1.Wanted_WANTED_DRAINING:
		return w.drain(ctx, o, seen)
	case seen.Running:
		return w.remove(ctx, o, seen)
	}
	return w.watch(ctx, seen)
}

// tried lets the restart group serve again once all that a set asks of it was tried.
func (w *worker) tried(o order) {
	for _, member := range w.a.board.tried(w.name, o) {
		w.a.workers[member].wake()
	}
}

func (w *worker) report(state v1.ServiceState, o driver.Observation, detail string) {
	w.a.board.put(w.name, state, o, detail)
}

// act calls the driver if the order still stands at that moment. Members of a restart
// group take turns.
func (w *worker) act(ctx context.Context, o order, restarts bool, do func(context.Context) error) error {
	if w.turn != nil {
		select {
		case w.turn <- struct{}{}:
			defer func() { <-w.turn }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if !w.a.orders.stands(w.name, o) {
		return errSuperseded
	}
	if err := do(ctx); err != nil {
		return err
	}
	if restarts {
		for _, member := range w.a.board.restarted(w.name) {
			w.a.workers[member].wake()
		}
	}
	return nil
}

// serve starts what does not run, takes back a drain, and probes.
func (w *worker) serve(ctx context.Context, o order, seen driver.Observation) time.Duration {
	const starting, failing = v1.ServiceState_SERVICE_STATE_STARTING, v1.ServiceState_SERVICE_STATE_FAILING
	if seen.Running && w.a.board.state(w.name) == v1.ServiceState_SERVICE_STATE_SERVING &&
		!w.startedAt.IsZero() && time.Since(w.startedAt) >= stableAfter {
		w.starts = 0
	}
	if !seen.Running || seen.Draining {
		if pause := time.Until(w.notBefore); pause > 0 {
			why := w.why
			if why == "" {
				why = seen.Detail
			}
			w.report(failing, seen, why)
			return pause
		}
		if !seen.Running {
			if !w.startedAt.IsZero() {
				w.a.log.Warn("service ended by itself", "service", w.name, "detail", seen.Detail)
			}
			w.starts++
			w.notBefore = time.Now().Add(backoff(w.starts))
			w.startedAt = time.Time{}
		}
		w.probeFailures = 0
		w.report(starting, seen, seen.Detail)
		err := w.act(ctx, o, !seen.Running, func(ctx context.Context) error {
			if seen.Draining {
				if err := w.driver.Undrain(ctx, w.name); err != nil {
					return err
				}
			}
			return w.driver.Ensure(ctx, w.name)
		})
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, errSuperseded) {
				return 0
			}
			w.why = err.Error()
			w.report(failing, seen, w.why)
			w.a.log.Warn("service could not be started", "service", w.name, "error", err)
			if seen.Draining && seen.Running {
				return slowProbe
			}
			return max(0, time.Until(w.notBefore))
		}
		w.why = ""
		w.startedAt = time.Now()
		if !seen.Running {
			w.a.log.Info("service started", "service", w.name, "epoch", o.epoch, "generation", o.generation)
		}
		w.tried(o)
		if seen, err = w.driver.Observe(ctx, w.name); err != nil || !seen.Running {
			return 0
		}
	}
	return w.probe(ctx, seen)
}

// backoff grows with the number of starts; the first start after a stable time does
// not wait.
func backoff(starts int) time.Duration {
	d := min(longestBackoff, firstBackoff<<min(starts-1, 10))
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secret
}

// probe asks the service itself.
func (w *worker) probe(ctx context.Context, seen driver.Observation) time.Duration {
	token := w.a.board.token(w.name)
	if token != w.token {
		// Its restart group restarted it: its time to start begins anew.
		w.token, w.startedAt, w.probeFailures = token, time.Now(), 0
	}
	err := w.ask(ctx)
	if ctx.Err() != nil {
		return 0
	}
	was := w.a.board.state(w.name)
	if err == nil {
		w.probeFailures = 0
		if !w.a.board.serves(w.name, token, seen, seen.Detail) {
			return slowProbe
		}
		if was != v1.ServiceState_SERVICE_STATE_SERVING {
			w.a.log.Info("service answers", "service", w.name)
		}
		return w.a.cfg.ProbeInterval
	}
	w.probeFailures++
	switch was {
	case v1.ServiceState_SERVICE_STATE_SERVING:
		// One lost probe proves little; what ended shows in the next observation.
		if w.probeFailures < 2 {
			return quickProbe
		}
		w.a.log.Warn("service does not answer any more", "service", w.name, "error", err)
		w.report(v1.ServiceState_SERVICE_STATE_FAILING, seen, err.Error())
		return slowProbe
	case v1.ServiceState_SERVICE_STATE_FAILING:
		w.report(v1.ServiceState_SERVICE_STATE_FAILING, seen, err.Error())
		return slowProbe
	}
	if w.startedAt.IsZero() {
		w.startedAt = time.Now()
	}
	if time.Since(w.startedAt) >= startWithin {
		w.report(v1.ServiceState_SERVICE_STATE_FAILING, seen, fmt.Sprintf("started, but no answer within %s: %v", startWithin, err))
		return slowProbe
	}
	w.report(v1.ServiceState_SERVICE_STATE_STARTING, seen, err.Error())
	return min(slowProbe, quickProbe<<min(w.probeFailures-1, 10))
}

// ask probes every endpoint; all must answer.
func (w *worker) ask(ctx context.Context) error {
	for _, e := range w.claim.GetEndpoints() {
		if err := w.a.cfg.Probe(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// watch reports what is true of a service that is not asked for, and touches nothing.
func (w *worker) watch(ctx context.Context, seen driver.Observation) time.Duration {
	w.starts, w.notBefore, w.why = 0, time.Time{}, ""
	token := w.a.board.token(w.name)
	err := w.ask(ctx)
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil && len(w.claim.GetEndpoints()) > 0:
		detail := seen.Detail
		if !seen.Running {
			detail = "it answers, but Roster did not start it: it is left alone"
		}
		w.a.board.serves(w.name, token, seen, detail)
	case seen.Running && seen.Draining:
		w.report(v1.ServiceState_SERVICE_STATE_DRAINING, seen, seen.Detail)
	case seen.Running:
		w.report(v1.ServiceState_SERVICE_STATE_FAILING, seen, errText(err))
	default:
		w.report(v1.ServiceState_SERVICE_STATE_STOPPED, seen, seen.Detail)
	}
	return w.a.cfg.ProbeInterval
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
