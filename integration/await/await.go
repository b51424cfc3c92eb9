// Package await is how tests of real processes and sockets wait: for a condition,
// by looking at it again and again, until a bound.
//
// It owns the one loop of that kind. It must not know what is waited for. Tests in
// virtual time do not need it. Its functions may be called from the test's
// goroutine alone.
package await

import (
	"errors"
	"testing"
	"time"
)

// Within waits until a condition holds, looking at a pace; the test fails with the
// condition's last error where it does not within the bound.
func Within(t testing.TB, bound, pace time.Duration, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(bound)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not after %v: %v", what, bound, err)
		}
		<-time.After(pace)
	}
}

var errNotYet = errors.New("it does not hold yet")

// True is Within for a condition that has no error, looked at often.
func True(t testing.TB, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	Within(t, bound, 5*time.Millisecond, what, func() error {
		if !holds() {
			return errNotYet
		}
		return nil
	})
}
