package fsm

import (
	"strings"
	"testing"
)

func TestWhatBecameOfARequestIsKnownToItsCallerAlone(t *testing.T) {
	b := initialised(t)
	b.nodes(1)
	b.send(b.request(requestID(1), operator, "7"))
	second := b.send(b.request(requestID(2), operator, "8"))
	s := b.m.State()
	if got := s.Answered(operator, strings.ToUpper(requestID(2))); got.GetIndex() != second.GetIndex() || second.GetIndex() == 0 {
		t.Errorf("answered %v, it was %v", got, second)
	}
	for _, unknown := range [][2]string{{operator, requestID(3)}, {"roster://example/user/bob", requestID(2)}, {operator, "seven"}, {operator, ""}} {
		if got := s.Answered(unknown[0], unknown[1]); got != nil {
			t.Errorf("%v: %v", unknown, got)
		}
	}
}
