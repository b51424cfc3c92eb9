package raftnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// raftLog gives raft's messages to slog. Raft tells much of its daily life at
// info; that is debug for a member.
type raftLog struct {
	logger *slog.Logger
	name   string
	args   []any
	held   *repeats
}

var _ hclog.Logger = (*raftLog)(nil)

func newRaftLog(logger *slog.Logger) *raftLog {
	return &raftLog{logger: logger, name: "raft", held: newRepeats()}
}

// levels maps raft's levels to a member's.
var levels = map[hclog.Level]slog.Level{
	hclog.Trace: slog.LevelDebug - 4,
	hclog.Debug: slog.LevelDebug - 4,
	hclog.Info:  slog.LevelDebug,
	hclog.Warn:  slog.LevelInfo,
	hclog.Error: slog.LevelWarn,
}

func (l *raftLog) Log(level hclog.Level, msg string, args ...any) {
	to := levels[level]
	if daily(msg, args) {
		to = slog.LevelDebug
	}
	if !l.logger.Enabled(context.Background(), to) || l.held.again(msg, args, time.Now()) {
		return
	}
	l.logger.Log(context.Background(), to, l.name+": "+msg, plain(args)...)
}

// daily says that a warning tells of what every new member goes through: its
// log is empty when the leader offers the newest entry first, and it does not
// know the others' records yet, so that raft takes the address that it knows.
func daily(msg string, args []any) bool {
	switch msg {
	case "unable to get address for server, using fallback address":
		return true
	case "failed to get previous log":
		return slices.ContainsFunc(args, func(arg any) bool {
			err, ok := arg.(error)
			return ok && errors.Is(err, raft.ErrLogNotFound)
		})
	}
	return false
}

// plain turns what hclog would expand itself into text: hclog.Format values,
// Stringers (states, addresses) and errors.
func plain(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case hclog.Format:
			out[i] = v
			if len(v) > 0 {
				if format, ok := v[0].(string); ok {
					out[i] = fmt.Sprintf(format, v[1:]...)
				}
			}
		case error:
			out[i] = v.Error()
		case fmt.Stringer:
			out[i] = v.String()
		default:
			out[i] = v
		}
	}
	return out
}

func (l *raftLog) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *raftLog) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *raftLog) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *raftLog) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *raftLog) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *raftLog) enabled(level hclog.Level) bool {
	return l.logger.Enabled(context.Background(), levels[level])
}

func (l *raftLog) IsTrace() bool { return l.enabled(hclog.Trace) }
func (l *raftLog) IsDebug() bool { return l.enabled(hclog.Debug) }
func (l *raftLog) IsInfo() bool  { return l.enabled(hclog.Info) }
func (l *raftLog) IsWarn() bool  { return l.enabled(hclog.Warn) }
func (l *raftLog) IsError() bool { return l.enabled(hclog.Error) }

func (l *raftLog) ImpliedArgs() []any { return l.args }

func (l *raftLog) With(args ...any) hclog.Logger {
	return &raftLog{logger: l.logger.With(plain(args)...), name: l.name, args: append(append([]any{}, l.args...), args...), held: l.held}
}

func (l *raftLog) Name() string { return l.name }

func (l *raftLog) Named(name string) hclog.Logger {
	return &raftLog{logger: l.logger, name: l.name + "." + name, args: l.args, held: l.held}
}

func (l *raftLog) ResetNamed(name string) hclog.Logger {
	return &raftLog{logger: l.logger, name: name, args: l.args, held: l.held}
}

// SetLevel does nothing: slog's handler decides.
func (l *raftLog) SetLevel(hclog.Level) {}

func (l *raftLog) GetLevel() hclog.Level { return hclog.NoLevel }

func (l *raftLog) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.logger.Handler(), slog.LevelDebug)
}

func (l *raftLog) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(nil).Writer()
}
