package builtin

import "time"

// Faults that tests put in. They are methods, never config.

// SetStartDelay lets the listeners of a service open that much after its start.
func (d *Driver) SetStartDelay(name string, delay time.Duration) {
	d.with(name, func(s *service) { s.startDelay = delay })
}

// FailStart lets every start of a service fail with err; nil ends that.
func (d *Driver) FailStart(name string, err error) {
	d.with(name, func(s *service) { s.failStart = err })
}

// Mute lets a service accept and say nothing, as a daemon that hangs; new sessions
// only.
func (d *Driver) Mute(name string, mute bool) {
	d.with(name, func(s *service) { s.mute = mute })
}

// Crash ends a service as if its process had died.
func (d *Driver) Crash(name string) {
	d.with(name, func(s *service) { s.stop("it crashed, as it was told to") })
}

func (d *Driver) with(name string, do func(*service)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.services[name]; s != nil {
		do(s)
	}
}
