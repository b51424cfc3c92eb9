package sockets

import (
	"net"
	"os"
	"testing"

	v1 "roster/proto/roster/v1"
)

func TestRowsOfTheKernelsSocketTableAreRead(t *testing.T) {
	const tail = " 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 x"
	for row, want := range map[string]string{
		"  0: 0100007F:008F" + tail:                         "127.0.0.1",
		"  0: 00000000:008F" + tail:                         "0.0.0.0",
		"  0: 00000000000000000000000001000000:008F" + tail: "::1",
		"  0: 0000000000000000FFFF00000100007F:008F" + tail: "127.0.0.1",
	} {
		s, ok := parse(row, Listening)
		if !ok || s.IP.String() != want || s.Port != 143 || s.Inode != "12345" {
			t.Errorf("%s: %+v %t", row, s, ok)
		}
		if _, ok := parse(row, Established); ok {
			t.Errorf("%s: a listener was read as a session", row)
		}
	}
}

func TestAListenerIsFoundByItsEndpointAndItsProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := uint32(l.Addr().(*net.TCPAddr).Port) //nolint:gosec // a port
	found, err := At(Listening, []*v1.Endpoint{{Host: "127.0.0.1", Port: port}})
	if err != nil || len(found) != 1 || found[0].Address() != l.Addr().String() {
		t.Fatalf("%v, %v", found, err)
	}
	if !Held(os.Getpid(), found) || Held(os.Getppid(), found) {
		t.Fatal("it is held by this process alone")
	}
	if found, err = At(Listening, []*v1.Endpoint{{Host: "127.0.0.2", Port: port}}); err != nil || found != nil {
		t.Fatalf("%v, %v", found, err)
	}
	if found, err = At(Listening, []*v1.Endpoint{{Host: "localhost", Port: port}}); err != nil || len(found) != 1 {
		t.Fatalf("a name may be any address: %v, %v", found, err)
	}
}
