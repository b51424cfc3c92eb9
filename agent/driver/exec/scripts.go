package exec

import (
	"fmt"
	"strings"
	"time"

	"roster/agent/driver"
)

// How long scripts may take where the config says nothing.
const (
	DefaultStartWithin  = time.Minute
	DefaultStopWithin   = time.Minute
	DefaultAnswerWithin = 10 * time.Second
)

// Scripts say how one service is run. Each is an argv that is run as it stands, without
// a shell; its first word is a program's path, or is found in PATH. Each may run again
// after any other.
type Scripts struct {
	// Start starts the service in the background and ends. Required.
	Start []string
	// Stop ends the service, with the sessions that are left, and ends when it is
	// gone. Required.
	Stop []string
	// Status exits with 0 where the service runs and with 3 where it does not; any
	// other status says that it cannot tell, and then nothing is changed. A whole
	// number on its first line is taken for the service's pid. Required.
	Status []string
	// Drain refuses new sessions; empty: nothing refuses them, the driver only waits
	// for those in progress.
	Drain []string
	// Undrain takes Drain back. Required where Drain is given.
	Undrain []string
	// Sessions prints the number of sessions, as a whole number; empty: established
	// connections on the service's ports are counted.
	Sessions []string
	// Env is added to what the scripts see.
	Env map[string]string
	// PassEnv names variables of the agent's environment that the scripts see, beside
	// PATH, HOME, LANG and TZ.
	PassEnv []string
	// StartWithin and StopWithin bound those scripts. 0: a minute.
	StartWithin, StopWithin time.Duration
	// AnswerWithin bounds each of the others. 0: 10s.
	AnswerWithin time.Duration
}

// Faults are all that is wrong with the scripts.
func (c Scripts) Faults() []driver.Fault {
	var fs []driver.Fault
	add := func(key, mend, message string, args ...any) {
		fs = append(fs, driver.Fault{Key: key, Message: fmt.Sprintf(message, args...), Mend: mend})
	}
	for _, one := range []struct {
		key, mend string
		argv      []string
	}{
		{"start", "give the program and its arguments as a list; it starts the service in the background", c.Start},
		{"stop", "give the program and its arguments as a list; it ends when the service is gone", c.Stop},
		{"status", "give the program and its arguments as a list; it exits with 0 where the service runs and with 3 where it does not", c.Status},
	} {
		if len(one.argv) == 0 || one.argv[0] == "" {
			add(one.key, one.mend, "nothing to run")
		}
	}
	if len(c.Drain) > 0 && len(c.Undrain) == 0 {
		add("drain", "give `undrain` too", "a drain that cannot be taken back")
	}
	if len(c.Undrain) > 0 && len(c.Drain) == 0 {
		add("undrain", "give `drain` too, or take it out", "nothing to take back")
	}
	for i, name := range c.PassEnv {
		if name == "" || strings.ContainsAny(name, "= ") {
			add(fmt.Sprintf("pass_env[%d]", i), "write the variable's name alone; `env` sets values", "%q is no name", name)
		}
	}
	for _, one := range []struct {
		key   string
		value time.Duration
	}{{"start_within", c.StartWithin}, {"stop_within", c.StopWithin}, {"answer_within", c.AnswerWithin}} {
		if one.value < 0 {
			add(one.key, "leave it out for the default", "a negative time")
		}
	}
	return fs
}

func orElse(d, instead time.Duration) time.Duration {
	if d == 0 {
		return instead
	}
	return d
}
