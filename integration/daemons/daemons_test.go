package daemons_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/integration/daemons"
	"roster/integration/loopback"
	"roster/integration/require"
)

// within waits for a condition; the last error is what the test then says.
func within(t *testing.T, bound time.Duration, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(bound)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still after %v: %v", what, bound, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// start runs an instance as the driver would, and ends it with the test.
func start(t *testing.T, i *daemons.Instance) {
	t.Helper()
	for _, argv := range i.Command.Prepare {
		run(t, argv)
	}
	output, err := os.Create(filepath.Join(i.Dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(i.Command.Argv[0], i.Command.Argv[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = os.Environ()
	for k, v := range i.Command.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = output.Close()
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(i.Dir, "output"))
			t.Logf("output of %s:\n%s", i.Name, text)
		}
	})
}

func run(t *testing.T, argv []string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

func TestDovecotDrainsWithoutEndingSessions(t *testing.T) {
	require.Daemons(t)
	port := loopback.Ports(t, 1)[0]
	i, err := daemons.Dovecot(filepath.Join(loopback.Dir(t), "imap"), "n1-imap", loopback.Host, port)
	if err != nil {
		t.Fatal(err)
	}
	start(t, i)
	address := loopback.Address(port)
	var session *daemons.IMAP
	within(t, 20*time.Second, "log in", func() error {
		session, err = daemons.Login(t.Context(), address, "ann")
		return err
	})
	run(t, i.Command.Drain)
	run(t, i.Command.Drain)
	within(t, 20*time.Second, "refuse new sessions", func() error { return daemons.Closed(t.Context(), address) })
	if err := session.Do("NOOP"); err != nil {
		t.Errorf("the session ended with the drain: %v", err)
	}
	run(t, i.Command.Undrain)
	run(t, i.Command.Undrain)
	within(t, 20*time.Second, "log in again", func() error {
		again, err := daemons.Login(t.Context(), address, "ann")
		if err != nil {
			return err
		}
		return again.Logout()
	})
	if err := session.Logout(); err != nil {
		t.Errorf("the session ended with the end of the drain: %v", err)
	}
}

func TestPostfixDrainsWithoutEndingSessions(t *testing.T) {
	require.Daemons(t)
	port := loopback.Ports(t, 1)[0]
	i, err := daemons.Postfix(filepath.Join(loopback.Dir(t), "mx"), "n1-mx", loopback.Host, port)
	if err != nil {
		t.Fatal(err)
	}
	start(t, i)
	address := loopback.Address(port)
	var session *daemons.SMTP
	within(t, 20*time.Second, "greet", func() error {
		session, err = daemons.Greet(t.Context(), address)
		return err
	})
	run(t, i.Command.Drain)
	run(t, i.Command.Drain)
	within(t, 20*time.Second, "refuse new sessions", func() error {
		if _, err := daemons.Greet(t.Context(), address); err == nil || !strings.Contains(err.Error(), "421") {
			return errors.Join(errors.New("greeted otherwise than with 421"), err)
		}
		return nil
	})
	if err := session.Send("ann@example.test", "sent while it drained"); err != nil {
		t.Errorf("the session ended with the drain: %v", err)
	}
	if err := session.Quit(); err != nil {
		t.Error(err)
	}
	run(t, i.Command.Undrain)
	within(t, 20*time.Second, "send again", func() error {
		return daemons.SendMail(t.Context(), address, "ann@example.test", "sent after the drain")
	})
	within(t, 20*time.Second, "deliver both", func() error {
		mails, err := i.Delivered()
		all := strings.Join(mails, "")
		if err != nil || !strings.Contains(all, "sent while it drained") || !strings.Contains(all, "sent after the drain") {
			return errors.Join(fmt.Errorf("delivered %d mails", len(mails)), err)
		}
		return nil
	})
}
