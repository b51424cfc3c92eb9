package exec

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"roster/agent/driver"
	"roster/agent/driver/sockets"
)

// Sessions are counted that often while a drain waits for them: soon at first, since
// many drains are short, later seldom.
const (
	countSoon   = 100 * time.Millisecond
	countSeldom = 2 * time.Second
)

// settleWithin is how long the status script may go on saying that a service does not
// run which was just started.
const settleWithin = 5 * time.Second

// notRunning is the exit status by which a status script says so (LSB).
const notRunning = 3

// service is one service and its scripts.
type service struct {
	Service
	d   *Driver
	dir string
	// turn is held by whoever changes the service.
	turn chan struct{}

	mu sync.Mutex
	// record, nil: the service is not this driver's.
	record *record
}

func (s *service) current() *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record
}

// put replaces the record, on disk first; nil takes it away.
func (s *service) put(r *record) error {
	var err error
	if r == nil {
		err = forget(s.dir)
	} else {
		err = r.write(s.dir)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = r
	return nil
}

// own makes the service this driver's, unless it is.
func (s *service) own() error {
	if s.current() != nil {
		return nil
	}
	return s.put(&record{Since: time.Now().UTC()})
}

// status asks the operator's script; pid is 0 where it says none.
func (s *service) status(ctx context.Context) (running bool, pid int64, err error) {
	said, err := s.ask(ctx, s.Scripts.Status)
	var exit *exec.ExitError
	switch {
	case err == nil:
		line, _, _ := strings.Cut(said, "\n")
		if pid, err = strconv.ParseInt(strings.TrimSpace(line), 10, 64); err != nil || pid < 0 {
			pid = 0
		}
		return true, pid, nil
	case errors.As(err, &exit) && exit.ExitCode() == notRunning:
		return false, 0, nil
	}
	return false, 0, fmt.Errorf("whether it runs is not known (status must exit with 0 or %d): %w", notRunning, err)
}

// mine says whether the service runs and is this driver's.
func (s *service) mine(ctx context.Context) (bool, error) {
	if s.current() == nil {
		return false, nil
	}
	running, _, err := s.status(ctx)
	return running, err
}

// portFree makes sure that nothing listens where the service will.
func (s *service) portFree() error {
	taken, err := sockets.At(sockets.Listening, s.Endpoints)
	if err != nil {
		return fmt.Errorf("look for listeners: %w", err)
	}
	if len(taken) > 0 {
		return fmt.Errorf("%s: %w, and `status` says that the service does not run; it is left alone. Stop it, or correct the script",
			taken[0].Address(), driver.ErrPortTaken)
	}
	return nil
}

// start runs the start script. The record is on disk first: what an agent started that
// died meanwhile is known to the next one.
func (s *service) start(ctx context.Context) error {
	if err := s.rotate(); err != nil {
		return err
	}
	if err := s.put(&record{Since: time.Now().UTC()}); err != nil {
		return err
	}
	if err := s.act(ctx, s.Scripts.Start, orElse(s.Scripts.StartWithin, DefaultStartWithin)); err != nil {
		return err
	}
	for deadline := time.Now().Add(settleWithin); ; {
		runs, err := s.mine(ctx)
		if err != nil || runs {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("script %s ended, but `status` says that the service does not run", s.Scripts.Start[0])
		}
		select {
		case <-time.After(countSoon):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop runs the stop script, and believes the status script alone.
func (s *service) stop(ctx context.Context) error {
	runs, err := s.mine(ctx)
	if err != nil {
		return err
	}
	if runs {
		if err := s.act(ctx, s.Scripts.Stop, orElse(s.Scripts.StopWithin, DefaultStopWithin)); err != nil {
			return err
		}
		if runs, err = s.mine(ctx); err != nil {
			return err
		}
		if runs {
			return fmt.Errorf("script %s ended, but `status` says that the service still runs", s.Scripts.Stop[0])
		}
	}
	return s.put(nil)
}

// drain notes the drain before it begins it: whoever comes later knows that it may have
// to be taken back.
func (s *service) drain(ctx context.Context) error {
	if r := s.current(); r.DrainingSince.IsZero() {
		next := *r
		next.DrainingSince = time.Now().UTC()
		if err := s.put(&next); err != nil {
			return err
		}
	}
	if len(s.Scripts.Drain) == 0 {
		return nil
	}
	return s.act(ctx, s.Scripts.Drain, orElse(s.Scripts.AnswerWithin, DefaultAnswerWithin))
}

func (s *service) undrain(ctx context.Context) error {
	r := s.current()
	if r == nil || r.DrainingSince.IsZero() {
		return nil
	}
	runs, err := s.mine(ctx)
	if err != nil {
		return err
	}
	if runs && len(s.Scripts.Undrain) > 0 {
		if err := s.act(ctx, s.Scripts.Undrain, orElse(s.Scripts.AnswerWithin, DefaultAnswerWithin)); err != nil {
			return err
		}
	}
	next := *r
	next.DrainingSince = time.Time{}
	return s.put(&next)
}

var errTakenBack = errors.New("it was taken back")

// emptied returns when no session is left, or the drain's time is over.
func (s *service) emptied(ctx context.Context, ends time.Time) error {
	for pause := countSoon; ; pause = min(2*pause, countSeldom) {
		switch r := s.current(); {
		case r == nil:
			return nil
		case r.DrainingSince.IsZero():
			return errTakenBack
		}
		n, err := s.sessions(ctx)
		if err == nil && n == 0 || !time.Now().Before(ends) {
			return nil
		}
		timer := time.NewTimer(min(pause, time.Until(ends)))
		select {
		case <-timer.C:
		case <-s.d.life.Done():
			timer.Stop()
			return driver.ErrClosed
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// sessions counts those in progress.
func (s *service) sessions(ctx context.Context) (uint32, error) {
	if len(s.Scripts.Sessions) == 0 {
		open, err := sockets.At(sockets.Established, s.Endpoints)
		if err != nil {
			return 0, fmt.Errorf("count sessions: %w", err)
		}
		return uint32(len(open)), nil //nolint:gosec // bounded by open files
	}
	said, err := s.ask(ctx, s.Scripts.Sessions)
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(said), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("count sessions: script %s must print a whole number (%w)%s", s.Scripts.Sessions[0], errors.Unwrap(err), (&head{text: []byte(said)}).quote())
	}
	return uint32(n), nil
}

func (s *service) observe(ctx context.Context) (driver.Observation, error) {
	running, pid, err := s.status(ctx)
	switch {
	case err != nil:
		return driver.Observation{}, err
	case !running:
		return driver.Observation{}, s.lost(ctx)
	}
	o := driver.Observation{PID: pid}
	if o.Sessions, err = s.sessions(ctx); err != nil {
		o.Detail = err.Error()
	}
	if r := s.current(); r != nil {
		o.Running, o.Draining, o.DrainingSince = true, !r.DrainingSince.IsZero(), r.DrainingSince
	} else {
		o.Adoptable = true
	}
	return o, nil
}

// lost forgets a service that has ended by itself: whoever starts it next may be
// somebody else. While it is being changed, that is not known.
func (s *service) lost(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	default:
		return nil
	}
	// Only now is the answer one of after the last change.
	if s.current() == nil {
		return nil
	}
	if running, err := s.mine(ctx); err != nil || running {
		return err
	}
	return s.put(nil)
}
