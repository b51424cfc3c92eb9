package session

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"roster/client"
	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
	"roster/server/rpc/auth"
)

// Over real gRPC on loopback: only there it shows whether a Send that is stuck
// in the transport lets go.
func TestOnTheWireAnAgentThatDoesNotReadLosesItsSession(t *testing.T) {
	log := fixture.New(t)
	hub, err := New(Config{Machine: log.Machine, Proposer: log, HasLeader: func() bool { return true }, Fresh: caughtUp(log, log.Machine), WriteTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	guard := auth.New(auth.Config{ClusterName: fixture.ClusterName})
	server := grpc.NewServer(grpc.StreamInterceptor(guard.Stream), grpc.WaitForHandlers(true))
	v1.RegisterAgentServiceServer(server, hub)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() { server.Stop(); <-served }()
	conn, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := v1.NewAgentServiceClient(conn).Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// Large sets: they fill the windows soon.
	var services, declared []string
	for i := range 60 {
		services = append(services, fmt.Sprintf("task-%d", i+1))
		declared = append(declared, fmt.Sprintf("  - {name: task-%d}\n", i+1))
	}
	if err := stream.Send(&v1.SessionRequest{Message: &v1.SessionRequest_Hello{Hello: hello("n", services...)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	log.Apply("name: many\npools:\n  - {name: p, services: [" + strings.Join(services, ", ") + "], count: 1}\nservices:\n" + strings.Join(declared, ""))
	reason := strings.Repeat("x", 500)
	log.Move("n", v1.Action_ACTION_START, "p", reason, services...)
	for len(hub.Sessions()) > 0 {
		if ctx.Err() != nil {
			t.Fatal("the session of an agent that does not read goes on and on")
		}
		log.Move("n", v1.Action_ACTION_DRAIN, "p", reason, services[0])
		log.Move("n", v1.Action_ACTION_UNDRAIN, "p", reason, services[0])
		time.Sleep(time.Millisecond) // nothing is waited for: it paces the writer
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted || client.Reason(err) != "SLOW_READER" {
		t.Errorf("when it reads at last, it is told %v", err)
	}
}
