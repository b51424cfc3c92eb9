// Package conformance proves that a driver keeps the contract of package driver. It
// owns the claims; a driver's own tests bring a factory. It must not know how any
// driver works.
package conformance

import (
	"testing"

	"roster/agent/driver"
	v1 "roster/proto/roster/v1"
)

// Subject is one driver under test with the services that it can run.
type Subject struct {
	// Open returns a driver; a second call, after the first one was closed,
	// returns one over the same folder.
	Open func(t *testing.T) driver.Driver
	// IMAP is a service that greets in IMAP, SMTP one that greets in SMTP.
	IMAP, SMTP *v1.ServiceClaim
	// Outlives is true where services run on after Close.
	Outlives bool
}

// Run proves the contract; factory makes a fresh subject for each claim.
func Run(t *testing.T, factory func(t *testing.T) Subject) {}
