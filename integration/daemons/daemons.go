// Package daemons prepares real mail daemons from Debian's packages for tests:
// one folder per node and service with a configuration of our own, and the
// commands with which the process driver runs it. It owns the templates; it
// must not know members or topologies, and it starts nothing itself. An
// Instance may be used by many goroutines at once.
package daemons

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"roster/agent/driver/exec"
	"roster/agent/driver/process"
	"roster/integration/require"
	v1 "roster/proto/roster/v1"
)

//go:embed templates
var templates embed.FS

// Password opens every mailbox.
const Password = "test-word"

// Instance is one daemon of one node.
type Instance struct {
	// imap or smtp-inbound.
	Service string
	// Name of the instance, the same on no two instances of a host.
	Name string
	// Folder with its configuration, queue and mail.
	Dir  string
	Host string
	Port int
	// How the process driver runs it.
	Command process.Command
}

// Claim is what the node's agent says of it.
func (i *Instance) Claim() *v1.ServiceClaim {
	return &v1.ServiceClaim{
		Name: i.Service, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE, Driver: "process",
		Endpoints: []*v1.Endpoint{{Service: i.Service, Host: i.Host, Port: uint32(i.Port), Tls: v1.Tls_TLS_NONE}}, //nolint:gosec // a port
	}
}

// values is what the templates see.
type values struct {
	*Instance
	Password string
	UID, GID string
	Draining bool
}

// Dovecot prepares an IMAP server in dir, which it makes.
func Dovecot(dir, name, host string, port int) (*Instance, error) {
	i := &Instance{Service: "imap", Name: name, Dir: dir, Host: host, Port: port}
	config := filepath.Join(dir, "dovecot.conf")
	i.Command = process.Command{
		Argv: []string{"dovecot", "-F", "-c", config},
		// The port is closed at once, sessions go on; a reload opens it again.
		Drain:      []string{"doveadm", "-c", config, "service", "stop", "imap-login"},
		Undrain:    []string{"doveadm", "-c", config, "reload"},
		StopSignal: "TERM",
		KillAfter:  3 * time.Second,
	}
	nobody, err := lookUp("nobody")
	if err != nil {
		return nil, err
	}
	if err := i.folders(map[string]*owner{"mail": nobody, "run": nil, "state": nil}); err != nil {
		return nil, err
	}
	if err := i.write("templates/control.sh", "control.sh", 0o755, values{Instance: i}); err != nil {
		return nil, err
	}
	return i, i.write("templates/dovecot.conf", "dovecot.conf", 0o644, values{Instance: i, Password: Password})
}

// Scripts are how the exec driver runs a Dovecot: the operator's own ways.
func (i *Instance) Scripts() exec.Scripts {
	control := func(verb string) []string { return []string{filepath.Join(i.Dir, "control.sh"), verb} }
	return exec.Scripts{
		Start: control("start"), Stop: control("stop"), Status: control("status"),
		Drain: control("drain"), Undrain: control("undrain"), Sessions: control("sessions"),
	}
}

// Postfix prepares an SMTP server that takes mail for example.test in dir, which
// it makes.
func Postfix(dir, name, host string, port int) (*Instance, error) {
	i := &Instance{Service: "smtp-inbound", Name: name, Dir: dir, Host: host, Port: port}
	change := filepath.Join(dir, "switch.sh")
	i.Command = process.Command{
		Argv: []string{require.PostfixMaster, "-c", dir, "-s"},
		Env:  map[string]string{"MAIL_CONFIG": dir},
		// Makes the queue's folders. A start after a stop in a drain serves again.
		Prepare: [][]string{
			{"cp", "-p", filepath.Join(dir, "main.cf.serving"), filepath.Join(dir, "main.cf")},
			{"postfix", "-c", dir, "check"},
		},
		// New sessions are told to come back, sessions in progress finish.
		Drain:      []string{change, "draining"},
		Undrain:    []string{change, "serving"},
		StopSignal: "TERM",
		KillAfter:  3 * time.Second,
	}
	nobody, err := lookUp("nobody")
	if err != nil {
		return nil, err
	}
	postfix, err := lookUp("postfix")
	if err != nil {
		return nil, err
	}
	if err := i.folders(map[string]*owner{"mail": nobody, "data": postfix, "queue": nil}); err != nil {
		return nil, err
	}
	v := values{Instance: i, UID: strconv.Itoa(nobody.uid), GID: strconv.Itoa(nobody.gid)}
	for _, file := range []struct {
		template, name string
		mode           fs.FileMode
		draining       bool
	}{
		{"main.cf", "main.cf.serving", 0o644, false}, {"main.cf", "main.cf.draining", 0o644, true},
		{"main.cf", "main.cf", 0o644, false}, {"master.cf", "master.cf", 0o644, false}, {"switch.sh", "switch.sh", 0o755, false},
	} {
		v.Draining = file.draining
		if err := i.write("templates/"+file.template, file.name, file.mode, v); err != nil {
			return nil, err
		}
		// Postfix's tools wait for a file that was changed a moment ago to settle.
		settled := time.Now().Add(-time.Minute)
		if err := os.Chtimes(filepath.Join(dir, file.name), settled, settled); err != nil {
			return nil, fmt.Errorf("date %s back: %w", file.name, err)
		}
	}
	return i, nil
}

// Delivered returns the messages that a Postfix instance put into its Maildir.
func (i *Instance) Delivered() ([]string, error) {
	names, err := filepath.Glob(filepath.Join(i.Dir, "mail", "inbox", "new", "*"))
	if err != nil {
		return nil, fmt.Errorf("list the delivered mail: %w", err)
	}
	var mails []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read a delivered mail: %w", err)
		}
		mails = append(mails, string(text))
	}
	return mails, nil
}

type owner struct{ uid, gid int }

func lookUp(name string) (*owner, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("look up the user %s: %w", name, err)
	}
	uid, err := strconv.Atoi(found.Uid)
	if err != nil {
		return nil, fmt.Errorf("user id of %s: %w", name, err)
	}
	gid, err := strconv.Atoi(found.Gid)
	if err != nil {
		return nil, fmt.Errorf("group id of %s: %w", name, err)
	}
	return &owner{uid, gid}, nil
}

// folders makes the instance's folder and those in it; nil is our own user.
func (i *Instance) folders(owners map[string]*owner) error {
	if err := os.MkdirAll(i.Dir, 0o755); err != nil { //nolint:gosec // daemons enter as other users
		return fmt.Errorf("make the folder of %s: %w", i.Name, err)
	}
	for name, o := range owners {
		path := filepath.Join(i.Dir, name)
		if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // daemons enter as other users
			return fmt.Errorf("make a folder of %s: %w", i.Name, err)
		}
		if o == nil {
			continue
		}
		if err := os.Chown(path, o.uid, o.gid); err != nil {
			return fmt.Errorf("give a folder of %s away: %w", i.Name, err)
		}
	}
	return nil
}

func (i *Instance) write(from, name string, mode fs.FileMode, v values) error {
	parsed, err := template.ParseFS(templates, from)
	if err != nil {
		return fmt.Errorf("parse %s: %w", from, err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, v); err != nil {
		return fmt.Errorf("fill in %s: %w", from, err)
	}
	if err := os.WriteFile(filepath.Join(i.Dir, name), text.Bytes(), mode); err != nil {
		return fmt.Errorf("write %s of %s: %w", name, i.Name, err)
	}
	return nil
}
