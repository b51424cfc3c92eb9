// Package watch owns the sampling: it dials every target again and again and
// appends what changed, the marks that it is told, and once a second the proof
// that it looked. It must not judge, and it imports no package of Roster.
//
// New starts nothing. Run owns one goroutine per target and waits for all of
// them; Mark may be called by any goroutine while Run runs.
package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"roster/integration/checker/dial"
	"roster/integration/checker/history"
)

// Config says what to watch and how often.
type Config struct {
	Targets []history.Target
	// From the beginning of one dial of a target to its next. A dial that takes
	// longer delays the next one.
	Interval time.Duration
	// Bound of one dial.
	Timeout time.Duration
	// Most dials at once.
	AtOnce int
	// The cluster's heartbeat, for the judge.
	Heartbeat time.Duration
	// Where records go.
	Log *history.Writer
}

// Validate reports every fault of the config.
func (c Config) Validate() error {
	var faults []error
	if len(c.Targets) == 0 {
		faults = append(faults, errors.New("no targets"))
	}
	seen := map[string]bool{}
	for _, t := range c.Targets {
		if t.Node == "" || t.Service == "" || t.Address == "" {
			faults = append(faults, fmt.Errorf("target %+v: node, service and address are required", t))
		}
		if !slices.Contains(dial.Protocols(), t.Protocol) {
			faults = append(faults, fmt.Errorf("target %s %s: unknown protocol %q", t.Node, t.Service, t.Protocol))
		}
		if seen[t.Address] {
			faults = append(faults, fmt.Errorf("address %s is a target twice", t.Address))
		}
		seen[t.Address] = true
	}
	if c.Interval <= 0 || c.Timeout <= 0 || c.AtOnce <= 0 || c.Heartbeat <= 0 {
		faults = append(faults, errors.New("interval, timeout, at once and heartbeat must be positive"))
	}
	if c.Log == nil {
		faults = append(faults, errors.New("no log"))
	}
	return errors.Join(faults...)
}

// Watch is one watch over a set of targets.
type Watch struct {
	config Config
	zero   time.Time
	slots  chan struct{}

	mu sync.Mutex
	// Per target: the beginning of its newest dial, as seconds.
	newest map[string]float64
	// Since the last looked record.
	longest   float64
	longestAt string
	dials     int
	failed    error
	failedNow chan struct{}

	// Closed when every target was dialled once.
	begun  chan struct{}
	firsts int
}

// New makes a watch; it dials nothing yet.
func New(config Config) (*Watch, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	return &Watch{
		config: config, zero: time.Now(), newest: map[string]float64{},
		slots: make(chan struct{}, config.AtOnce), failedNow: make(chan struct{}),
		begun: make(chan struct{}),
	}, nil
}

func (w *Watch) now() float64 { return time.Since(w.zero).Seconds() }

// Run samples until the context ends, then closes the log's story with an end
// record. An error means that the log cannot be trusted.
func (w *Watch) Run(ctx context.Context) error {
	start := history.Record{
		Kind: history.KindStart, Wall: w.zero.UTC().Format(time.RFC3339Nano),
		Interval: w.config.Interval.Seconds(), Heartbeat: w.config.Heartbeat.Seconds(), Targets: w.config.Targets,
	}
	if err := w.config.Log.Append(start); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for i, target := range w.config.Targets {
		group.Go(func() {
			// Spread over the interval, so that dials do not come in bursts.
			offset := w.config.Interval * time.Duration(i) / time.Duration(len(w.config.Targets))
			w.follow(ctx, target, offset)
		})
	}
	group.Go(func() { w.proveLooking(ctx) })
	select {
	case <-ctx.Done():
	case <-w.failedNow:
	}
	cancel()
	group.Wait()
	w.mu.Lock()
	err := w.failed
	w.mu.Unlock()
	if err != nil {
		return err
	}
	w.looked()
	return w.config.Log.Append(history.Record{T: w.now(), Kind: history.KindEnd})
}

// Mark appends what the test said, with the time of now, and returns when it
// stands in the log. It waits until every target was dialled once: before that
// the watch has nothing to say about what the mark means.
func (w *Watch) Mark(ctx context.Context, mark history.Record) error {
	switch mark.Mark {
	case history.MarkExpect, history.MarkApplied:
	case history.MarkFloors:
		for _, p := range mark.Parts {
			if p.Service == "" || p.Name == "" || len(p.Nodes) == 0 {
				return fmt.Errorf("mark %q has a part without a service, a name or nodes: %+v", mark.Mark, p)
			}
		}
	case history.MarkAccepted:
		if len(mark.Counts) == 0 {
			return fmt.Errorf("mark %q accepts nothing", mark.Mark)
		}
	case history.MarkRepair:
		if mark.Text != "on" && mark.Text != "off" {
			return fmt.Errorf("mark %q says %q: on or off", mark.Mark, mark.Text)
		}
	case history.MarkStarted:
		if mark.Service == "" {
			return fmt.Errorf("mark %q names no service", mark.Mark)
		}
	case history.MarkFault, history.MarkHealed:
		if len(mark.Nodes) == 0 {
			return fmt.Errorf("mark %q names no nodes", mark.Mark)
		}
	default:
		return fmt.Errorf("unknown mark %q", mark.Mark)
	}
	select {
	case <-w.begun:
	case <-ctx.Done():
		return fmt.Errorf("mark %q: %w", mark.Mark, ctx.Err())
	}
	mark.Kind, mark.T = history.KindMark, w.now()
	return w.config.Log.Append(mark)
}

// follow dials one target until the context ends.
func (w *Watch) follow(ctx context.Context, target history.Target, offset time.Duration) {
	ticker := time.NewTicker(w.config.Interval)
	defer ticker.Stop()
	timer := time.NewTimer(offset)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	ticker.Reset(w.config.Interval)
	var last sample
	for first := true; ; first = false {
		next, ok := w.dial(ctx, target)
		if !ok {
			return
		}
		if first || next.answers != last.answers {
			change := history.Record{
				T: next.ended, Kind: history.KindChange, Node: target.Node, Service: target.Service, Address: target.Address,
				Answers: next.answers, Began: next.began, Before: last.began, First: first,
			}
			if next.err != nil {
				change.Error = next.err.Error()
			}
			if err := w.config.Log.Append(change); err != nil {
				w.fail(err)
				return
			}
		}
		if first {
			w.noteFirst()
		}
		last = next
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

type sample struct {
	began, ended float64
	answers      bool
	err          error
}

// dial takes one sample; not ok means that the watch ends, and a dial that the
// end cut short is no sample.
func (w *Watch) dial(ctx context.Context, target history.Target) (sample, bool) {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return sample{}, false
	}
	defer func() { <-w.slots }()
	began := w.now()
	err := dial.Within(ctx, w.config.Timeout, target.Protocol, target.Address, target.Path)
	if ctx.Err() != nil {
		return sample{}, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if gap := began - w.newest[target.Address]; gap > w.longest {
		w.longest, w.longestAt = gap, target.Address
	}
	w.newest[target.Address] = began
	w.dials++
	return sample{began: began, ended: w.now(), answers: err == nil, err: err}, true
}

// noteFirst closes begun once the first dial of every target is in the log.
func (w *Watch) noteFirst() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.firsts++
	if w.firsts == len(w.config.Targets) {
		close(w.begun)
	}
}

// proveLooking appends a looked record once a second.
func (w *Watch) proveLooking(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.looked()
		case <-ctx.Done():
			return
		}
	}
}

// looked appends the longest gap since the last looked record, gaps that are
// still open included.
func (w *Watch) looked() {
	w.mu.Lock()
	now := w.now()
	for _, t := range w.config.Targets {
		if gap := now - w.newest[t.Address]; gap > w.longest {
			w.longest, w.longestAt = gap, t.Address
		}
	}
	record := history.Record{T: now, Kind: history.KindLooked, Longest: w.longest, Address: w.longestAt, Dials: w.dials}
	w.longest, w.longestAt, w.dials = 0, "", 0
	w.mu.Unlock()
	if err := w.config.Log.Append(record); err != nil {
		w.fail(err)
	}
}

func (w *Watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
		close(w.failedNow)
	}
}
