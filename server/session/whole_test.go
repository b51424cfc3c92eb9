package session

import (
	"testing"

	v1 "roster/proto/roster/v1"
)

func TestEachSetIsWholeWhateverChanged(t *testing.T) {
	inDesk(t, func(d *desk) {
		a := d.agent("n", "imap", "jmap")
		a.set()
		d.Apply("name: two\npools:\n  - {name: both, services: [imap, jmap], count: 1}\n")
		d.Move("n", v1.Action_ACTION_START, "both", "test", "imap")
		a.set()
		d.Move("n", v1.Action_ACTION_START, "both", "test", "jmap")
		if set := a.set(); len(set.GetAssignments()) != 2 {
			t.Errorf("of two services it names %v", set.GetAssignments())
		}
	})
}
