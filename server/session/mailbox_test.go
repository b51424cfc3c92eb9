package session

import "testing"

func TestAMailboxHoldsTheNewest(t *testing.T) {
	box := make(chan int, 1)
	for i := range 5 {
		newest(box, i)
	}
	if got := <-box; got != 4 || len(box) != 0 {
		t.Errorf("%d, and %d more", got, len(box))
	}
}
