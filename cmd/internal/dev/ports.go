package dev

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that kernels hand out to connections,
// so that no passing connection takes one of them.
const (
	portLow   = 20000
	portHigh  = 32000
	apiPort   = 7401
	portTries = 200
)

// ports hands out loopback ports that were free when it looked.
type ports struct{ next int }

func newPorts() *ports { return &ports{next: portLow + rand.IntN(portHigh-portLow)} }

// take returns a free port.
func (p *ports) take() (int, error) {
	for range portTries {
		port := p.next
		if p.next++; p.next >= portHigh {
			p.next = portLow
		}
		if free(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port on loopback among %d from %d: is something holding them?", portTries, p.next)
}

func free(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	_ = l.Close() // it served only to look
	return true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// api returns an address for the i-th member's API: the well-known one if it
// is free, so that a second shell needs no flags.
func (p *ports) api(i int) (string, error) {
	if free(apiPort + i) {
		return loopback(apiPort + i), nil
	}
	port, err := p.take()
	return loopback(port), err
}
