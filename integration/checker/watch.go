package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"roster/integration/checker/history"
	"roster/integration/checker/watch"
)

func watchVerb(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int, err error) {
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	targets := flags.String("targets", "", "JSON file: [{node, service, address, protocol, path}]")
	dir := flags.String("log", "", "folder for the log")
	interval := flags.Duration("interval", 50*time.Millisecond, "from one dial of a target to its next")
	timeout := flags.Duration("timeout", time.Second, "bound of one dial")
	atOnce := flags.Int("at-once", 64, "most dials at once")
	heartbeat := flags.Duration("heartbeat", 2*time.Second, "the cluster's heartbeat")
	length := flags.Duration("for", 0, "end after so long; 0: when stdin ends")
	if err := flags.Parse(args); err != nil {
		return exitError, err
	}
	list, err := readTargets(*targets)
	if err != nil {
		return exitError, err
	}
	log, err := history.Create(*dir)
	if err != nil {
		return exitError, err
	}
	defer func() {
		if closed := log.Close(); closed != nil && err == nil {
			code, err = exitError, fmt.Errorf("close the log: %w", closed)
		}
	}()
	w, err := watch.New(watch.Config{
		Targets: list, Interval: *interval, Timeout: *timeout, AtOnce: *atOnce, Heartbeat: *heartbeat, Log: log,
	})
	if err != nil {
		return exitError, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if *length > 0 {
		ctx, cancel = context.WithTimeout(ctx, *length)
		defer cancel()
	} else {
		go func() {
			defer cancel()
			takeMarks(ctx, w, stdin, stdout)
		}()
	}
	if err := w.Run(ctx); err != nil {
		return exitError, err
	}
	return exitHeld, nil
}

func readTargets(path string) ([]history.Target, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the targets: %w", err)
	}
	var list []history.Target
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read the targets in %s: %w", path, err)
	}
	return list, nil
}

// takeMarks appends each line of in as a mark and answers `ok` when it stands
// in the log, so that a test can break something right after it.
func takeMarks(ctx context.Context, w *watch.Watch, in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var mark history.Record
		err := json.Unmarshal(lines.Bytes(), &mark)
		if err == nil {
			err = w.Mark(ctx, mark)
		}
		answer := "ok"
		if err != nil {
			answer = "refused: " + err.Error()
		}
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return
		}
	}
}
