package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// logFlags say what the verbs that run for long log, and how.
type logFlags struct {
	level string
	json  bool
}

func (l *logFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.level, "log-level", "info", "least `level` to log: debug, info, warn, error")
	cmd.Flags().BoolVar(&l.json, "log-json", false, "log as JSON")
	must(cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp)))
}

func (l *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, fmt.Errorf("--log-level %s is none of debug, info, warn, error", l.level)
	}
	options := &slog.HandlerOptions{Level: level}
	if l.json {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}
