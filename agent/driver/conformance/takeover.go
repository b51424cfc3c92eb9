package conformance

import "roster/agent/driver"

// byHand starts a service without the driver and holds a session of it.
func (t *trial) byHand() *session {
	t.Helper()
	if t.ByHand == nil {
		t.Skip("this driver takes nothing over")
	}
	t.ByHand(t.T, t.IMAP)
	t.answers(t.IMAP)
	return t.dial(t.IMAP)
}

func foreignIsLeftAlone(t *trial) {
	session := t.byHand()
	before := t.observe(t.IMAP)
	if before.Running || !before.Adoptable || before.Sessions != 1 {
		t.Fatalf("observed %+v of what was started by hand, with one session", before)
	}
	t.must("remove", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	t.must("undrain", t.driver.Undrain(t.Context(), t.IMAP.GetName()))
	t.must("drain", t.within(t.drain(t.Context(), t.IMAP, 0)))
	t.must("close", t.driver.Close())
	t.driver = t.Open(t.T)
	t.answers(t.IMAP)
	session.lives()
	if after := t.observe(t.IMAP); after.Running || !after.Adoptable || after.PID != before.PID {
		t.Fatalf("observed %+v, before it was %+v", after, before)
	}
}

func takesOver(t *trial) {
	t.takenOver(func() error { return t.driver.Ensure(t.Context(), t.IMAP.GetName()) })
}

func adoptTakesOver(t *trial) {
	a, ok := t.driver.(driver.Adopter)
	if !ok {
		t.Skip("this driver takes nothing over")
	}
	t.must("adopt where nothing runs", a.Adopt(t.Context(), t.IMAP.GetName()))
	if o := t.observe(t.IMAP); o.Running {
		t.Fatalf("adopt started it: %+v", o)
	}
	t.refuses(t.IMAP)
	t.takenOver(func() error { return a.Adopt(t.Context(), t.IMAP.GetName()) })
}

// takenOver proves that a service changes hands while it serves, for as long as it
// lives.
func (t *trial) takenOver(take func() error) {
	session := t.byHand()
	before := t.observe(t.IMAP)
	t.must("take over", take())
	t.must("take over again", take())
	taken := t.observe(t.IMAP)
	if !taken.Running || taken.Adoptable || taken.PID != before.PID || taken.Draining || taken.Sessions != 1 {
		t.Fatalf("observed %+v of what was taken over, before it was %+v", taken, before)
	}
	session.lives()
	t.must("ensure", t.driver.Ensure(t.Context(), t.IMAP.GetName()))
	t.must("close", t.driver.Close())
	t.driver = t.Open(t.T)
	if o := t.observe(t.IMAP); !o.Running || o.PID != before.PID {
		t.Fatalf("the next driver adopted %+v, left was %+v", o, taken)
	}
	session.lives()
	t.must("drain", t.within(t.drain(t.Context(), t.IMAP, 0)))
	t.refuses(t.IMAP)
	session.lives()
	t.must("undrain", t.driver.Undrain(t.Context(), t.IMAP.GetName()))
	t.answers(t.IMAP)
	session.lives()
	t.must("remove", t.driver.Remove(t.Context(), t.IMAP.GetName()))
	t.refuses(t.IMAP)
	session.dies()
	if o := t.observe(t.IMAP); o.Running || o.Adoptable {
		t.Fatalf("observed %+v of a removed service", o)
	}
}
