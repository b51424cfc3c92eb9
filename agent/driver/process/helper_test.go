package process_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/agent/driver"
	"roster/agent/driver/process"
	"roster/integration/await"
	"roster/integration/leak"
	v1 "roster/proto/roster/v1"
)

// The test binary is a mail server, too: the environment says so.
const serveAs, serveAt, serveFault = "TEST_SERVE_AS", "TEST_SERVE_AT", "TEST_SERVE_FAULT"

func TestMain(m *testing.M) {
	if protocol := os.Getenv(serveAs); protocol != "" {
		serve(protocol, os.Getenv(serveAt), os.Getenv(serveFault))
	}
	leak.Main(m)
}

// serve greets, answers NOOP and ends sessions politely. USR1 closes its port, USR2
// opens it again, TERM ends it.
func serve(protocol, address, fault string) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)
	if fault == "exit at once" {
		fmt.Println("the mailbox is on fire")
		os.Exit(7)
	}
	if fault == "leaves a child" {
		// Another copy in this session holds the port and outlives this one.
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), serveFault+"=ignores TERM")
		if err := child.Start(); err != nil {
			panic(err)
		}
		for range signals {
			os.Exit(0)
		}
	}
	l := listen(protocol, address)
	for s := range signals {
		switch s {
		case syscall.SIGUSR1:
			_ = l.Close()
		case syscall.SIGUSR2:
			_ = l.Close()
			l = listen(protocol, address)
		case syscall.SIGTERM:
			if fault != "ignores TERM" {
				os.Exit(0)
			}
		}
	}
}

func listen(protocol, address string) net.Listener {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go converse(protocol, conn)
		}
	}()
	return l
}

func converse(protocol string, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	say := func(imap, smtp string) {
		if protocol == "imap" {
			smtp = imap
		}
		_, _ = fmt.Fprintf(conn, "%s\r\n", smtp)
	}
	say("* OK ready", "220 mx.test ready")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		tag, _, _ := strings.Cut(lines.Text(), " ")
		switch line := strings.ToUpper(lines.Text()); {
		case strings.HasSuffix(line, "LOGOUT"), line == "QUIT":
			say("* BYE\r\n"+tag+" OK bye", "221 bye")
			return
		default:
			say(tag+" OK done", "250 ok")
		}
	}
}

// service is one that the test binary can run.
func service(t *testing.T, name, protocol, fault string) process.Service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().(*net.TCPAddr)
	must(t, l.Close())
	self, err := os.Executable()
	must(t, err)
	kill := func(name string) []string { return []string{"/bin/sh", "-c", "kill -" + name + " $ROSTER_PID"} }
	return process.Service{
		Name:      name,
		Endpoints: []*v1.Endpoint{{Service: name, Host: "127.0.0.1", Port: uint32(address.Port)}},
		Command: process.Command{
			Argv:      []string{self, "-test.run=^$"},
			Env:       map[string]string{serveAs: protocol, serveAt: address.String(), serveFault: fault},
			Drain:     kill("USR1"),
			Undrain:   kill("USR2"),
			KillAfter: 10 * time.Second,
		},
	}
}

// byHand starts a service as an operator would, without the driver, and returns its
// pid. It writes the pid file of the service's adopt and is in the test's session.
func byHand(t *testing.T, s process.Service) int {
	t.Helper()
	cmd := exec.Command(s.Command.Argv[0], s.Command.Argv[1:]...)
	cmd.Env = os.Environ()
	for k, v := range s.Command.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	must(t, cmd.Start())
	gone := make(chan struct{})
	go func() { defer close(gone); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-gone })
	if file := s.Command.Adopt.PIDFile; file != "" {
		must(t, os.WriteFile(file, fmt.Appendf(nil, "%d\n", cmd.Process.Pid), 0o600))
	}
	answers(t, s)
	return cmd.Process.Pid
}

func open(t *testing.T, dir string, services ...process.Service) *process.Driver {
	t.Helper()
	d, err := process.New(process.Config{Dir: dir, Owner: "test", Services: services})
	must(t, err)
	return d
}

func wipe(t *testing.T, d *process.Driver, services ...process.Service) {
	for _, s := range services {
		if err := d.Remove(t.Context(), s.Name); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	}
	must(t, d.Close())
}

func observe(t *testing.T, d *process.Driver, name string) driver.Observation {
	t.Helper()
	o, err := d.Observe(t.Context(), name)
	must(t, err)
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	await.True(t, 20*time.Second, what, holds)
}
