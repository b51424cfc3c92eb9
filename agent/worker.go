package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roster/agent/driver"
	"roster/agent/probe"
	v1 "roster/proto/roster/v1"
)

const (
	// startWithin is how long a service may start before it counts as failing.
	startWithin = 60 * time.Second
	// stableAfter is how long a service serves until earlier failures are forgiven.
	stableAfter = 60 * time.Second
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

	// start bounds starts, since the service last was stable; leave bounds drains
	// and stops that fail.
	start, leave retry
	// startedAt is when the last start succeeded; zero: not by this worker.
	startedAt time.Time
	// last is the order that was stepped on last.
	last order
	// probeFailures counts failed probes in a row.
	probeFailures int
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
	if !o.asks(w.last) {
		w.leave.over()
	}
	w.last = o
	seen, err := w.driver.Observe(ctx, w.name)
	if err != nil {
		if ctx.Err() != nil {
			return 0
		}
		return w.lookOn(ctx, o, driver.Observation{PID: seen.PID}, v1.ServiceState_SERVICE_STATE_FAILING, err.Error())
	}
	switch {
	case o.off.holds():
		return w.lookOn(ctx, o, seen, muteState(seen), w.undone(o, seen))
	case !o.known:
		return w.watch(ctx, seen)
	case w.claim.GetNeverStop() && leaves(o, seen):
		return w.lookOn(ctx, o, seen, muteState(seen), neverStopped)
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
	if !w.may(o) {
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

// may says, at the moment of acting, whether an order may still be acted on.
func (w *worker) may(o order) bool {
	w.a.lookAtFreeze()
	return w.a.orders.stands(w.name, o)
}

// serve starts what does not run, takes back a drain, and probes.
func (w *worker) serve(ctx context.Context, o order, seen driver.Observation) time.Duration {
	const starting, failing = v1.ServiceState_SERVICE_STATE_STARTING, v1.ServiceState_SERVICE_STATE_FAILING
	if seen.Running && w.a.board.state(w.name) == v1.ServiceState_SERVICE_STATE_SERVING &&
		!w.startedAt.IsZero() && time.Since(w.startedAt) >= stableAfter {
		w.start.over()
	}
	w.leave.over()
	switch {
	case seen.Running:
	case seen.Adoptable:
		return w.takeOver(ctx, o, seen)
	default:
		if pause, ok := w.servesAnyway(ctx, seen); ok {
			return pause
		}
	}
	if !seen.Running || seen.Draining {
		if pause := w.start.wait(); pause > 0 {
			why := w.start.why
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
			w.start.tried("")
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
			if seen.Running {
				w.start.tried("") // a drain that could not be taken back
			}
			w.start.why = err.Error()
			w.report(failing, seen, w.start.why)
			w.a.log.Warn("service could not be started", "service", w.name, "error", err)
			return w.start.wait()
		}
		w.start.why = ""
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

// ask probes every endpoint; all must answer, each in its time.
func (w *worker) ask(ctx context.Context) error {
	one := func(e *v1.Endpoint) error {
		ctx, cancel := context.WithTimeout(ctx, probe.Timeout)
		defer cancel()
		return w.a.cfg.Probe(ctx, e)
	}
	for _, e := range w.claim.GetEndpoints() {
		if err := one(e); err != nil {
			return err
		}
	}
	return nil
}
