package agent

import (
	"context"
	"errors"
	"time"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// drain ends sessions up to the bound. The bound counts from when this host began:
// the leader's clock may be another.
func (w *worker) drain(ctx context.Context, o order, seen driver.Observation) time.Duration {
	const draining, drained = v1.ServiceState_SERVICE_STATE_DRAINING, v1.ServiceState_SERVICE_STATE_DRAINED
	w.start.over()
	switch {
	case seen.Running:
	case seen.Adoptable:
		return w.takeOver(ctx, o, seen)
	default:
		if pause, ok := w.servesAnyway(ctx, seen); ok {
			return pause
		}
		w.report(v1.ServiceState_SERVICE_STATE_STOPPED, seen, seen.Detail)
		return w.a.cfg.ProbeInterval
	}
	if seen.Draining && w.a.board.state(w.name) == drained {
		w.report(drained, seen, seen.Detail)
		return w.a.cfg.ProbeInterval
	}
	w.report(draining, seen, seen.Detail)
	bound := o.drain
	if seen.Draining {
		bound = max(0, min(bound, o.drain-time.Since(seen.DrainingSince)))
	}
	if pause := w.leave.wait(); pause > 0 {
		w.report(draining, seen, w.leave.why)
		return pause
	}
	if !w.may(o) {
		return 0
	}
	w.tried(o)
	w.a.log.Info("service drains", "service", w.name, "bound", bound, "sessions", seen.Sessions)
	// A drain takes no turn of the restart group: it restarts nothing, and may last.
	result := make(chan error, 1)
	go func() { result <- w.driver.Drain(ctx, w.name, bound) }()
	tick := time.NewTicker(sessionsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if now, err := w.driver.Observe(ctx, w.name); err == nil {
				w.report(draining, now, now.Detail)
			}
			continue
		case err := <-result:
			if ctx.Err() != nil {
				return 0
			}
			if err != nil {
				w.a.log.Warn("service could not be drained", "service", w.name, "error", err)
				w.leave.tried(err.Error())
				w.report(draining, seen, w.leave.why)
				return w.leave.wait()
			}
			w.leave.over()
		}
		now, err := w.driver.Observe(ctx, w.name)
		if err != nil {
			return slowProbe
		}
		w.report(drained, now, now.Detail)
		w.a.log.Info("service is drained", "service", w.name, "sessions", now.Sessions)
		return w.a.cfg.ProbeInterval
	}
}

// remove stops what Roster started and the set does not name any more.
func (w *worker) remove(ctx context.Context, o order, seen driver.Observation) time.Duration {
	w.start.over()
	if pause := w.leave.wait(); pause > 0 {
		w.report(v1.ServiceState_SERVICE_STATE_FAILING, seen, w.leave.why)
		return pause
	}
	w.report(v1.ServiceState_SERVICE_STATE_DRAINING, seen, "it is being stopped")
	err := w.act(ctx, o, true, func(ctx context.Context) error { return w.driver.Remove(ctx, w.name) })
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errSuperseded) {
			w.a.log.Warn("service could not be stopped", "service", w.name, "error", err)
			w.leave.tried(err.Error())
			w.report(v1.ServiceState_SERVICE_STATE_FAILING, seen, w.leave.why)
			return w.leave.wait()
		}
		return 0
	}
	w.leave.over()
	w.a.log.Info("service stopped", "service", w.name, "epoch", o.epoch, "generation", o.generation)
	w.report(v1.ServiceState_SERVICE_STATE_STOPPED, driver.Observation{}, "")
	return 0
}
