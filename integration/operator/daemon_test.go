package operator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"roster/agent/driver/process"
	"roster/integration/cluster"
	"roster/integration/daemons"
	"roster/integration/loopback"
)

// What the environment tells the daemon.
const (
	envService = "OPERATOR_DAEMON_SERVICE"
	envAddress = "OPERATOR_DAEMON_ADDRESS"
	envPIDFile = "OPERATOR_DAEMON_PID_FILE"
	envTest    = "OPERATOR_DAEMON_TEST" // the test's process: without it there is no reason to be
)

// daemon greets as IMAP or WebDAV server does. It closes its door on SIGUSR1 and
// opens it on SIGUSR2; sessions in progress go on.
type daemon struct {
	service, address string
	mu               sync.Mutex
	door             net.Listener
}

func serve() error {
	d := &daemon{service: os.Getenv(envService), address: os.Getenv(envAddress)}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	doors := make(chan os.Signal, 8)
	signal.Notify(doors, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := os.WriteFile(os.Getenv(envPIDFile), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	if err := d.open(); err != nil {
		return err
	}
	test, err := strconv.Atoi(os.Getenv(envTest))
	if err != nil {
		return err
	}
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			if errors.Is(syscall.Kill(test, 0), syscall.ESRCH) {
				return nil
			}
		case s := <-doors:
			if s == syscall.SIGUSR1 {
				d.close()
			} else if err := d.open(); err != nil {
				return err
			}
		}
	}
}

func (d *daemon) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.door != nil {
		_ = d.door.Close() // nobody waits in it
		d.door = nil
	}
}

func (d *daemon) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.door != nil {
		return nil
	}
	door, err := net.Listen("tcp", d.address)
	if err != nil {
		return err
	}
	d.door = door
	if d.service == "webdav" {
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("DAV", "1") })}
		server.SetKeepAlivesEnabled(false)
		go func() { _ = server.Serve(door) }() // until the door is closed
		return nil
	}
	go func() {
		for {
			conn, err := door.Accept()
			if err != nil {
				return
			}
			go imap(conn)
		}
	}()
	return nil
}

func imap(conn net.Conn) {
	defer func() { _ = conn.Close() }() // it has hung up, or we do
	say := func(line string) bool {
		_, err := fmt.Fprintf(conn, "%s\r\n", line)
		return err == nil
	}
	if !say("* OK IMAP4rev1 ready") {
		return
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		if strings.EqualFold(command, "LOGOUT") {
			say("* BYE")
			say(tag + " OK")
			return
		}
		if !say(tag + " OK") {
			return
		}
	}
}

// outliving is a node whose services are such daemons, so that they outlive their
// agent.
func outliving(t *testing.T, dir, id, zone string) cluster.Node {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	node := cluster.Node{ID: id, Region: "a", Zone: zone}
	for i, port := range loopback.Ports(t, 2) {
		service := []string{"imap", "webdav"}[i]
		file := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.pid", id, service, port))
		signalled := func(name string) []string { return []string{"/bin/sh", "-c", `kill -` + name + ` "$ROSTER_PID"`} }
		node.Services = append(node.Services, cluster.Service{
			Name: service, Port: port, Path: map[string]string{"webdav": "/dav"}[service],
			Daemon: &daemons.Instance{Service: service, Port: port, Host: loopback.Host, Dir: file, Command: process.Command{
				Argv:  []string{self},
				Env:   map[string]string{envService: service, envAddress: loopback.Address(port), envPIDFile: file, envTest: strconv.Itoa(os.Getpid())},
				Drain: signalled("USR1"), Undrain: signalled("USR2"), KillAfter: 5 * time.Second,
			}},
		})
		t.Cleanup(func() {
			if pid := running(file); pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL) // gone is what we want
			}
		})
	}
	return node
}

// running is the process of a daemon; 0: there is none.
func running(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return 0
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !strings.Contains(string(line), envPIDFile+"="+file) {
		return 0
	}
	return pid
}

// pidOf is the process of a service on a node.
func pidOf(n cluster.Node, service string) int {
	for _, s := range n.Services {
		if s.Name == service {
			return running(s.Daemon.Dir)
		}
	}
	return 0
}
