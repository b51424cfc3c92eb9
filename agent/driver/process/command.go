package process

import (
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"roster/agent/driver"
)

// DefaultKillAfter bounds a stop where the command says nothing.
const DefaultKillAfter = 30 * time.Second

// Command says how one service is run. Each argv is run as it stands, without a
// shell; its first word is a program's path, or is found in PATH. Drain, Undrain,
// Active and Stop find the pid of Argv's process in the environment, as ROSTER_PID.
type Command struct {
	// Argv runs the service in the foreground. Required.
	Argv []string
	// Env is added to PATH, HOME, LANG and TZ of the agent; nothing else of the
	// agent's environment is passed on.
	Env map[string]string
	// Prepare are run one after the other before each start.
	Prepare [][]string
	// Drain refuses new sessions; empty: nothing refuses them, the driver only
	// waits for those in progress. May run twice.
	Drain []string
	// Undrain takes Drain back. Required where Drain is given. May run twice.
	Undrain []string
	// Active prints the number of sessions, as a whole number; empty: established
	// connections on the service's ports are counted.
	Active []string
	// Stop ends the service; empty: StopSignal is sent to the process.
	Stop []string
	// StopSignal is a name such as TERM (the default), INT, QUIT or WINCH.
	StopSignal string
	// KillAfter bounds a stop; then whatever is left of it is killed. 0: 30s.
	KillAfter time.Duration
	// Adopt says how a daemon is found that Roster did not start; zero: none is
	// taken over.
	Adopt Adopt
}

// Adopt says how a daemon that runs already is found, to be taken over.
type Adopt struct {
	// PIDFile is where the daemon writes its pid, as an absolute path.
	PIDFile string
}

// Faults are all that is wrong with the command.
func (c Command) Faults() []driver.Fault {
	var fs []driver.Fault
	add := func(key, mend, message string, args ...any) {
		fs = append(fs, driver.Fault{Key: key, Message: fmt.Sprintf(message, args...), Mend: mend})
	}
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		add("argv", "give the program and its arguments as a list, and let it stay in the foreground", "nothing to run")
	}
	for i, argv := range c.Prepare {
		if len(argv) == 0 || argv[0] == "" {
			add(fmt.Sprintf("prepare[%d]", i), "take it out", "nothing to run")
		}
	}
	if len(c.Drain) > 0 && len(c.Undrain) == 0 {
		add("drain", "give `undrain` too", "a drain that cannot be taken back")
	}
	if len(c.Undrain) > 0 && len(c.Drain) == 0 {
		add("undrain", "give `drain` too, or take it out", "nothing to take back")
	}
	if c.StopSignal != "" && c.signal() == 0 {
		add("stop_signal", "use a name such as TERM, INT, QUIT or WINCH", "there is no signal %q", c.StopSignal)
	}
	if c.KillAfter < 0 {
		add("kill_after", "leave it out for 30s", "a negative time")
	}
	if f := c.Adopt.PIDFile; f != "" && !filepath.IsAbs(f) {
		add("adopt.pid_file", "write its whole path", "%q is no absolute path", f)
	}
	return fs
}

// signal is 0 where the name is none.
func (c Command) signal() unix.Signal {
	if c.StopSignal == "" {
		return unix.SIGTERM
	}
	if s := unix.SignalNum(c.StopSignal); s != 0 {
		return s
	}
	return unix.SignalNum("SIG" + c.StopSignal)
}

func (c Command) killAfter() time.Duration {
	if c.KillAfter == 0 {
		return DefaultKillAfter
	}
	return c.KillAfter
}
