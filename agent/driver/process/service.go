package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"roster/agent/driver"
	"roster/agent/driver/sockets"
)

// Sessions are counted that often while a drain waits for them: soon at first, since
// many drains are short, later seldom, since counting reads every socket of the host.
const (
	countSoon   = 100 * time.Millisecond
	countSeldom = 2 * time.Second
)

// service is one service and its process.
type service struct {
	Service
	d   *Driver
	dir string
	// turn is held by whoever changes the service.
	turn chan struct{}
	// damaged is why the record cannot be trusted; then nothing is changed.
	damaged error

	mu sync.Mutex
	// record of the process that runs, or ran last; never changed, only replaced.
	record *record
	// ended is closed when the process of record has; nil: it never ran here, or was
	// stopped.
	ended chan struct{}
	// why says how it ended.
	why string
}

func (s *service) current() *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record
}

// adopt takes over what an earlier driver left.
func (s *service) adopt() {
	r, err := readRecord(s.dir)
	switch {
	case err != nil:
		s.damaged = err
	case r.alive():
		s.watch(r)
	case r != nil:
		s.record, s.why = r, fmt.Sprintf("process %d ended while no agent ran", r.PID)
	}
}

// watch makes a process the service's and notes its end.
func (s *service) watch(r *record) {
	ended := make(chan struct{})
	s.mu.Lock()
	s.record, s.ended, s.why = r, ended, ""
	s.mu.Unlock()
	s.d.watchers.Go(func() {
		if awaitEnd(s.d.life, r) != nil {
			return
		}
		how := reap(r.PID)
		if how == "" {
			how = "it ended"
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ended == ended { // not stopped meanwhile, nor started anew
			s.why = fmt.Sprintf("process %d is gone: %s; %s", r.PID, how, s.lastWords(r))
		}
		close(ended)
	})
}

// lastWords says where the log of a process is and what its last line says.
func (s *service) lastWords(r *record) string {
	if r.Adopted {
		return "Roster had not started it, so its words are in its own log"
	}
	where := "its log is " + s.logPath()
	f, err := os.Open(s.logPath())
	if err != nil {
		return where
	}
	defer func() { _ = f.Close() }()
	const tail = 1 << 10
	info, err := f.Stat()
	if err != nil {
		return where
	}
	from := max(r.LogAt, info.Size()-tail)
	if r.LogAt > info.Size() {
		from = max(0, info.Size()-tail) // somebody cut it
	}
	text, err := io.ReadAll(io.NewSectionReader(f, from, tail))
	if err != nil {
		return where
	}
	if line := lastLine(text); line != "" {
		return where + ", whose last line is: " + line
	}
	return "it printed nothing to " + s.logPath() + "; look in the daemon's own log (for Postfix: maillog_file / syslog)"
}

// note replaces the record, on disk first.
func (s *service) note(r *record, change func(*record)) (*record, error) {
	next := *r
	change(&next)
	if err := next.write(s.dir); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == r {
		s.record = &next
	}
	return &next, nil
}

// beginDrain notes the drain before it begins it: whoever comes later knows that it
// may have to be taken back.
func (s *service) beginDrain(ctx context.Context, r *record) (err error) {
	if r.DrainingSince.IsZero() {
		if r, err = s.note(r, func(next *record) { next.DrainingSince = time.Now().UTC() }); err != nil {
			return err
		}
	}
	if len(s.Command.Drain) == 0 {
		return nil
	}
	_, err = s.command(ctx, s.Command.Drain, r)
	return err
}

func (s *service) undrain(ctx context.Context, r *record) error {
	if r.DrainingSince.IsZero() {
		return nil
	}
	if len(s.Command.Undrain) > 0 {
		if _, err := s.command(ctx, s.Command.Undrain, r); err != nil {
			return err
		}
	}
	_, err := s.note(r, func(next *record) { next.DrainingSince = time.Time{} })
	return err
}

var errTakenBack = errors.New("it was taken back")

// emptied returns when no session is left, or the drain's time is over.
func (s *service) emptied(ctx context.Context, ends time.Time) error {
	for pause := countSoon; ; pause = min(2*pause, countSeldom) {
		r := s.current()
		switch {
		case !r.alive():
			return nil
		case r.DrainingSince.IsZero():
			return errTakenBack
		}
		n, err := s.sessions(ctx)
		if err == nil && n == 0 || !time.Now().Before(ends) {
			return nil
		}
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		timer := time.NewTimer(min(pause, time.Until(ends)))
		select {
		case <-timer.C:
		case <-ended:
		case <-s.d.life.Done():
			timer.Stop()
			return driver.ErrClosed
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// sessions counts those in progress.
func (s *service) sessions(ctx context.Context) (uint32, error) {
	return s.sessionsOf(ctx, s.current())
}

func (s *service) sessionsOf(ctx context.Context, r *record) (uint32, error) {
	if len(s.Command.Active) > 0 {
		said, err := s.command(ctx, s.Command.Active, r)
		if err != nil {
			return 0, fmt.Errorf("count sessions: %w", err)
		}
		n, err := strconv.ParseUint(strings.TrimSpace(said), 10, 32)
		if err != nil {
			return 0, fmt.Errorf("count sessions: command %s must print a whole number (%w): %s", s.Command.Active[0], errors.Unwrap(err), lastLine([]byte(said)))
		}
		return uint32(n), nil
	}
	open, err := sockets.At(sockets.Established, s.Endpoints)
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return uint32(len(open)), nil //nolint:gosec // bounded by open files
}

// freePort makes sure that nothing listens where the service will. What a process of
// this service left behind when it died is ended; anything else is left alone.
func (s *service) freePort(last *record) error {
	for tries := 0; ; tries++ {
		taken, err := sockets.At(sockets.Listening, s.Endpoints)
		if err != nil {
			return fmt.Errorf("look for listeners: %w", err)
		}
		if len(taken) == 0 {
			return nil
		}
		if tries == 5 || !s.endLeftovers(last, taken) {
			return fmt.Errorf("%s: %w; it is left alone. Stop it, or give the service another port",
				taken[0].Address(), driver.ErrPortTaken)
		}
	}
}

// endLeftovers kills processes of a dead record's session that hold one of the
// sockets, and says whether there were any.
func (s *service) endLeftovers(last *record, at []sockets.Socket) bool {
	if last == nil || last.Boot != bootID() {
		return false
	}
	found := false
	for _, p := range sessionOf(last.PID) {
		if p.start >= last.Start && sockets.Held(p.pid, at) && send(p.pid, p.start, unix.SIGKILL) == nil {
			found = true
			for range 100 {
				if now, err := readStat(p.pid); err != nil || now.start != p.start || now.ended() {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	return found
}

func (s *service) observe(ctx context.Context) (driver.Observation, error) {
	if s.damaged != nil {
		return driver.Observation{Detail: s.damaged.Error()}, s.damaged
	}
	s.mu.Lock()
	r, why := s.record, s.why
	s.mu.Unlock()
	if !r.alive() {
		return s.observeForeign(ctx, why), nil
	}
	o := driver.Observation{Running: true, PID: int64(r.PID), Draining: !r.DrainingSince.IsZero(), DrainingSince: r.DrainingSince}
	n, err := s.sessions(ctx)
	if err != nil {
		o.Detail = err.Error()
	}
	o.Sessions = n
	if !slices.Equal(r.Argv, s.Command.Argv) {
		o.Detail = "it runs with the command of an earlier config until it is started anew"
	}
	return o, nil
}

// observeForeign tells of what runs that could be taken over.
func (s *service) observeForeign(ctx context.Context, why string) driver.Observation {
	r, err := s.foreign()
	switch {
	case err != nil:
		return driver.Observation{Detail: err.Error()}
	case r == nil:
		return driver.Observation{Detail: why}
	}
	o := driver.Observation{Adoptable: true, PID: int64(r.PID)}
	if o.Sessions, err = s.sessionsOf(ctx, r); err != nil {
		o.Detail = err.Error()
	}
	return o
}
