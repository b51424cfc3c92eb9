package exec

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	logFile = "output.log"
	// longestLog is how large a log may be before the next start puts it aside.
	longestLog = 8 << 20
	// longestOutput bounds what is kept of one script's output.
	longestOutput = 64 << 10
)

// ask runs a script that answers and changes nothing, and returns what it printed. It
// ends with ctx.
func (s *service) ask(ctx context.Context, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, orElse(s.Scripts.AnswerWithin, DefaultAnswerWithin))
	defer cancel()
	said := &head{}
	cmd := s.command(ctx, argv)
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	return string(said.text), s.outcome(ctx, argv, err, said)
}

// act runs a script that changes something. It is not cut off when the order behind it
// changes: half a start is worse than a whole one that is taken back. What it prints
// goes to the log, which a daemon that it leaves behind may hold open.
func (s *service) act(ctx context.Context, argv []string, within time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o640) //nolint:gosec // a group may read logs
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	info, err := log.Stat()
	if err != nil {
		return err
	}
	cmd := s.command(ctx, argv)
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	said := &head{}
	if err != nil {
		_, _ = io.Copy(said, io.NewSectionReader(log, info.Size(), longestOutput))
	}
	return s.outcome(ctx, argv, err, said)
}

func (s *service) command(ctx context.Context, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // from this host's own config
	cmd.Dir, cmd.Env = s.dir, s.environment()
	// A session of its own: what it leaves behind outlives the agent, and no signal to
	// the agent's group reaches it. What hangs ends with all that it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

func (s *service) outcome(ctx context.Context, argv []string, err error, said *head) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("script %s: it did not end in its time and was killed (%w)%s", argv[0], context.Cause(ctx), said.quote())
	}
	return fmt.Errorf("script %s: %w%s", argv[0], err, said.quote())
}

// environment is what the scripts see.
func (s *service) environment() []string {
	var env []string
	for _, key := range append([]string{"PATH", "HOME", "LANG", "TZ"}, s.Scripts.PassEnv...) {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	for key, v := range s.Scripts.Env {
		env = append(env, key+"="+v)
	}
	return append(env, "ROSTER_SERVICE="+s.d.owner+"/"+s.Name)
}

func (s *service) logPath() string { return filepath.Join(s.dir, logFile) }

func (s *service) rotate() error {
	info, err := os.Stat(s.logPath())
	if err != nil || info.Size() < longestLog {
		return nil
	}
	return os.Rename(s.logPath(), s.logPath()+".1")
}

// head keeps the first part of what is written.
type head struct{ text []byte }

func (h *head) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), longestOutput-len(h.text))]...)
	return len(p), nil
}

// quote is the last line that says something, to be added to an error.
func (h *head) quote() string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(h.text), "")), "\n")
	line := []rune(strings.TrimSpace(lines[len(lines)-1]))
	const most = 200
	switch {
	case len(line) == 0:
		return ""
	case len(line) > most:
		return ": " + string(line[:most]) + "…"
	}
	return ": " + string(line)
}
