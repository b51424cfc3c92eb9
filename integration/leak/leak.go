// Package leak ends the tests of a package with the question whether a goroutine
// outlived them. It asks for a while, since connections end in their own time,
// and a machine that is busy gives them little of it. It must not know any test.
package leak

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a goroutine may take to end after the last test.
const patience = 30 * time.Second

// Main is a TestMain: it runs the tests and fails where something runs on.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := find(); err != nil {
			fmt.Fprintf(os.Stderr, "after the last test: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

func find() error {
	for deadline := time.Now().Add(patience); ; {
		err := goleak.Find() // takes a second by itself where something runs
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
