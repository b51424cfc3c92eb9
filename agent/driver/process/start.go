package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// gate holds a new process back until its record is on disk: it waits for a word on
// descriptor 3, and ends if the agent dies before saying it. So there is no moment at
// which a service runs that no record knows.
const gate = `read -r word <&3 && [ "$word" = go ] || exit 125
exec 3<&-
exec "$@"`

const (
	logFile = "output.log"
	// longestLog is how large a log may be before the next start puts it aside.
	longestLog = 8 << 20
	// commandWithin bounds prepare, drain, undrain and active commands.
	commandWithin = time.Minute
)

// start begins the service's process; the record is on disk before it runs.
func (s *service) start(ctx context.Context) (*record, error) {
	// A missing program is told now, rather than by the log.
	if _, err := exec.LookPath(s.Command.Argv[0]); err != nil {
		return nil, fmt.Errorf("%w: correct `argv` in this agent's config, or install it", err)
	}
	if err := s.rotate(); err != nil {
		return nil, err
	}
	for _, argv := range s.Command.Prepare {
		if _, err := s.command(ctx, argv, nil); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	out, err := s.openLog()
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	info, err := out.Stat()
	if err != nil {
		return nil, err
	}
	none, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer func() { _ = none.Close() }()
	wait, word, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = wait.Close(); _ = word.Close() }()

	child, err := os.StartProcess("/bin/sh", append([]string{"sh", "-c", gate, "sh"}, s.Command.Argv...), &os.ProcAttr{
		Dir:   s.dir,
		Env:   s.environment(),
		Files: []*os.File{none, out, out, wait},
		// A session of its own: no signal to the agent's group reaches it.
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	pid := child.Pid
	_ = child.Release() // this driver reaps by itself
	abandon := func(err error) (*record, error) {
		_ = word.Close() // ends it: the word never comes
		for range 100 {
			if reap(pid) != "" {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		return nil, err
	}
	seen, err := readStat(pid)
	if err != nil {
		return abandon(fmt.Errorf("start time of the new process: %w", err))
	}
	r := &record{PID: pid, Start: seen.start, Boot: bootID(), Argv: s.Command.Argv, LogAt: info.Size(), Began: time.Now().UTC()}
	if err := r.write(s.dir); err != nil {
		return abandon(err)
	}
	if _, err := io.WriteString(word, "go\n"); err != nil {
		return abandon(fmt.Errorf("let the new process run: %w", err))
	}
	return r, nil
}

// environment is what the service's process sees.
func (s *service) environment() []string {
	var env []string
	for _, key := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	for key, v := range s.Command.Env {
		env = append(env, key+"="+v)
	}
	return append(env, "ROSTER_SERVICE="+s.d.owner+"/"+s.Name)
}

func (s *service) logPath() string { return filepath.Join(s.dir, logFile) }

func (s *service) openLog() (*os.File, error) {
	return os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640) //nolint:gosec // a group may read logs
}

func (s *service) rotate() error {
	info, err := os.Stat(s.logPath())
	if err != nil || info.Size() < longestLog {
		return nil
	}
	return os.Rename(s.logPath(), s.logPath()+".1")
}

// command runs one of the service's short commands, which finds the service's process
// in ROSTER_PID. The first part of its output is returned, and logged where it failed.
func (s *service) command(ctx context.Context, argv []string, of *record) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // from this host's own config
	cmd.Dir, cmd.Env = s.dir, s.environment()
	if of != nil {
		cmd.Env = append(cmd.Env, "ROSTER_PID="+strconv.Itoa(of.PID))
	}
	// Its children end with it, and none can keep the driver waiting.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	said := &head{}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	if err != nil && len(said.text) > 0 {
		if log, lerr := s.openLog(); lerr == nil {
			_, _ = log.Write(said.text)
			_ = log.Close()
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		return "", fmt.Errorf("command %s: %w: %s", argv[0], err, lastLine(said.text))
	}
	return string(said.text), nil
}

// head keeps the first part of what is written.
type head struct{ text []byte }

func (h *head) Write(p []byte) (int, error) {
	const most = 64 << 10
	h.text = append(h.text, p[:min(len(p), most-len(h.text))]...)
	return len(p), nil
}

// lastLine is the last line that says something.
func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	line := strings.TrimSpace(lines[len(lines)-1])
	const most = 200
	if len(line) > most {
		line = line[:most] + "…"
	}
	return line
}
