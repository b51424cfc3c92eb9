package session

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

func TestABusyMemberSendsHandshakesOnAndTakesMoreLater(t *testing.T) {
	inDesk(t, func(d *desk) {
		const burst, rate = 5, 10
		hub := newHub(t, d.Log, d.Machine)
		hub.admission = newAdmission(rate, burst)
		admitted := func(tries int) (n int) {
			for range tries {
				a := d.open(hub, hello("n", "imap"))
				if a.next().GetWelcome() != nil {
					n++
					a.stream.cancel()
					_ = a.ended() // it was given up
					continue
				}
				a.failsWith(codes.Unavailable, "BUSY")
			}
			return n
		}
		if n := admitted(4 * burst); n != burst {
			t.Errorf("%d handshakes at once, the burst is %d", n, burst)
		}
		time.Sleep(300 * time.Millisecond)
		if n := admitted(4 * burst); n != 3 {
			t.Errorf("%d more after 0.3 s at %d a second", n, rate)
		}
		time.Sleep(time.Hour)
		if n := admitted(4 * burst); n != burst {
			t.Errorf("%d at once after an hour of peace, the burst is %d", n, burst)
		}
		hub.admission = newAdmission(-1, burst)
		if n := admitted(4 * burst); n != 4*burst {
			t.Errorf("%d of %d where no bound is set", n, 4*burst)
		}
	})
}

func TestSessionsThatGoOnAreNotBoundByTheHandshakesOfOthers(t *testing.T) {
	inDesk(t, func(d *desk) {
		d.hub.admission = newAdmission(1, 1)
		a := d.agent("n", "imap")
		a.set()
		for range 10 {
			d.open(d.hub, hello("m", "imap")).failsWith(codes.Unavailable, "BUSY")
			a.beat(1)
			if a.next().GetAck() == nil {
				t.Fatal("a heartbeat was not answered")
			}
		}
	})
}
