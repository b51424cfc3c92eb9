package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stop ends the process and waits until it and what else is in its session are gone.
// What outlasts KillAfter is killed.
func (s *service) stop(ctx context.Context) error {
	r := s.current()
	if r == nil {
		return nil
	}
	if r.alive() {
		if err := s.end(ctx, r); err != nil {
			return err
		}
	}
	if err := forget(s.dir); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record, s.ended, s.why = nil, nil, ""
	return nil
}

func (s *service) end(ctx context.Context, r *record) error {
	patience, cancel := context.WithTimeout(ctx, s.Command.killAfter())
	defer cancel()
	// What was taken over need not have a session of its own.
	var family []stat
	if r.Adopted {
		family = descendants(r.PID)
	}
	asked := s.ask(patience, r)
	if asked != nil && errors.Is(asked, os.ErrProcessDone) {
		asked = nil
	}
	// A stop command that failed is no reason to wait for what it should have done.
	if asked == nil {
		if err := s.gone(patience, r, family); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// The session's id is its leader's pid. While the leader lives, and for as long
	// as any process of the session does, that number is not used again.
	left := append(sessionOf(r.PID), family...)
	if err := send(r.PID, r.Start, unix.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	for _, p := range left {
		if p.pid != r.PID && p.start >= r.Start {
			_ = send(p.pid, p.start, unix.SIGKILL)
		}
	}
	last, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.gone(last, r, family); err != nil {
		return fmt.Errorf("process %d does not end, killed though it was: %w", r.PID, err)
	}
	return nil
}

// ask lets the process end by itself.
func (s *service) ask(ctx context.Context, r *record) error {
	if len(s.Command.Stop) > 0 {
		_, err := s.command(ctx, s.Command.Stop, r)
		return err
	}
	return send(r.PID, r.Start, s.Command.signal())
}

// gone returns when the process and its family have ended and its session is empty.
func (s *service) gone(ctx context.Context, r *record, family []stat) error {
	if err := awaitEnd(ctx, r); err != nil {
		return err
	}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, pollEvery) {
		left := 0
		for _, p := range sessionOf(r.PID) {
			if p.start >= r.Start {
				left++
			}
		}
		for _, p := range family {
			if now, err := readStat(p.pid); err == nil && now.start == p.start && !now.ended() {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
