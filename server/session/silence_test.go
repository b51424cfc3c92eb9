package session

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// The transport lives, the agent does not: nothing breaks by itself.
func TestAHalfOpenSessionIsEndedByItsSilence(t *testing.T) {
	inDesk(t, func(d *desk) {
		a, other := d.agent("n", "imap"), d.agent("other", "imap")
		a.set()
		other.set()
		for range 2 * silence {
			time.Sleep(beat)
			other.beat(1)
			other.heard()
		}
		if seen := d.hub.Sessions(); len(seen) != 1 || seen[0].Node != "other" {
			t.Fatalf("sessions: %v", seen)
		}
		a.failsWith(codes.Unavailable, "SILENT")
	})
}

func TestASessionOutlivesHeartbeatsThatComeLate(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap")
		a.set()
		for range 20 {
			time.Sleep((silence - 1) * beat)
			a.beat(1)
			if a.next().GetAck() == nil {
				t.Fatalf("ended: %v", a.ended())
			}
		}
	})
}
