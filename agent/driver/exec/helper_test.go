package exec_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/agent/driver"
	"roster/agent/driver/exec"
	"roster/agent/probe"
	"roster/integration/await"
	"roster/integration/leak"
	"roster/integration/loopback"
	v1 "roster/proto/roster/v1"
)

// The test binary is a mail server, too: the environment says so.
const serveAs, serveAt = "TEST_SERVE_AS", "TEST_SERVE_AT"

func TestMain(m *testing.M) {
	if protocol := os.Getenv(serveAs); protocol != "" {
		serve(protocol, os.Getenv(serveAt))
	}
	leak.Main(m)
}

// serve greets, answers and ends sessions politely. USR1 closes its port, USR2 opens it
// again, TERM ends it.
func serve(protocol, address string) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)
	l := listen(protocol, address)
	for s := range signals {
		_ = l.Close()
		switch s {
		case syscall.SIGUSR2:
			l = listen(protocol, address)
		case syscall.SIGTERM:
			os.Exit(0)
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

// control is what an operator's script may look like; $0 says where its pid file is.
const control = `#!/bin/sh
here=$(dirname "$0")
pid=$(cat "$here/pid" 2>/dev/null)
alive() { case "$(cut -d ' ' -f 3 "/proc/${pid:-none}/stat" 2>/dev/null)" in ''|Z|X) return 1;; esac; }
wait_gone() { n=0; while alive && [ $n -lt 500 ]; do sleep 0.02; n=$((n+1)); done; ! alive; }
echo "$1" >> "$here/said"
case "$1" in
  start)
    ! alive || { echo "it runs already: $pid"; exit 1; }
    "$SERVER" -test.run='^$' &
    echo $! > "$here/pid" ;;
  stop)    alive && kill "$pid"; wait_gone ;;
  status)  alive || exit 3; echo "$pid" ;;
  drain)   kill -USR1 "$pid" ;;
  undrain) kill -USR2 "$pid" ;;
esac
`

// service is one that a script can run.
func service(t *testing.T, name, protocol string) exec.Service {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	script := filepath.Join(t.TempDir(), "control.sh")
	must(t, os.WriteFile(script, []byte(control), 0o700)) //nolint:gosec // it is to be run
	port := loopback.Ports(t, 1)[0]
	s := exec.Service{
		Name:      name,
		Endpoints: []*v1.Endpoint{{Service: name, Host: loopback.Host, Port: uint32(port)}}, //nolint:gosec // a port
		Scripts: exec.Scripts{
			Start: []string{script, "start"}, Stop: []string{script, "stop"}, Status: []string{script, "status"},
			Drain: []string{script, "drain"}, Undrain: []string{script, "undrain"},
			Env: map[string]string{serveAs: protocol, serveAt: loopback.Address(port), "SERVER": self},
		},
	}
	t.Cleanup(func() { byHand(t, s, "stop") })
	return s
}

// byHand runs a verb of the service's script as an operator would.
func byHand(t *testing.T, s exec.Service, verb string) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(filepath.Dir(s.Scripts.Start[0]), "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(t, err)
	defer func() { _ = log.Close() }()
	cmd := osexec.Command(s.Scripts.Start[0], verb)
	cmd.Env = os.Environ()
	for k, v := range s.Scripts.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(t, cmd.Run())
}

// said are the verbs that the script was run with, but for status.
func said(t *testing.T, s exec.Service) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(s.Scripts.Start[0]), "said"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var verbs []string
	for _, verb := range strings.Fields(string(text)) {
		if verb != "status" {
			verbs = append(verbs, verb)
		}
	}
	return strings.Join(verbs, " ")
}

func open(t *testing.T, dir string, services ...exec.Service) *exec.Driver {
	t.Helper()
	d, err := exec.New(exec.Config{Dir: dir, Owner: "test", Services: services})
	must(t, err)
	return d
}

func observe(t *testing.T, d *exec.Driver, name string) driver.Observation {
	t.Helper()
	o, err := d.Observe(t.Context(), name)
	must(t, err)
	return o
}

func answers(t *testing.T, s exec.Service) {
	t.Helper()
	await.Within(t, time.Minute, 5*time.Millisecond, s.Name+" answers", func() error { return probe.Check(t.Context(), s.Endpoints[0]) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
