package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/agent/driver/exec"
	"roster/agent/driver/process"
	v1 "roster/proto/roster/v1"
)

func TestTheReferenceFileIsRead(t *testing.T) {
	src, err := os.ReadFile("testdata/config/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := parseConfig("testdata/config/reference.yaml", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Node != "mail-1" || cfg.Dir != "testdata/config/data" || len(cfg.Members) != 3 || cfg.ProbeInterval != 5*time.Second || cfg.Heartbeat != time.Second {
		t.Fatalf("%+v", cfg)
	}
	if cfg.TLS.CA != "testdata/config/certs/ca.pem" || cfg.TLS.Key != "testdata/config/certs/agent.key" {
		t.Fatalf("%+v", cfg.TLS)
	}
	c := cfg.Claims
	if c.GetMode() != v1.AgentMode_AGENT_MODE_OBSERVE || cfg.FreezeFile != "/etc/roster/freeze" {
		t.Fatalf("%v %s", c, cfg.FreezeFile)
	}
	if !c.GetServices()[0].GetNeverStop() || c.GetServices()[1].GetNeverStop() {
		t.Fatalf("%v", c.GetServices())
	}
	if c.GetRegion() != "eu" || c.GetZone() != "eu-1" || c.GetLabels()["egress"] != "yes" || c.GetCapacity() != 200 {
		t.Fatalf("%v", c)
	}
	imap := c.GetServices()[0]
	if imap.GetData() != v1.Data_DATA_SHARED || imap.GetEndpoints()[0].GetTls() != v1.Tls_TLS_STARTTLS || imap.GetEndpoints()[1].GetPort() != 993 {
		t.Fatalf("%v", imap)
	}
	want := process.Command{
		Argv:       []string{"/usr/sbin/dovecot", "-F", "-c", "/etc/roster/dovecot.conf"},
		Env:        map[string]string{"MAIL_HOME": "/srv/mail"},
		Prepare:    [][]string{{"/usr/bin/doveconf", "-n", "-c", "/etc/roster/dovecot.conf"}},
		Drain:      []string{"/usr/bin/doveadm", "-c", "/etc/roster/dovecot.conf", "service", "stop", "imap-login"},
		Undrain:    []string{"/usr/bin/doveadm", "-c", "/etc/roster/dovecot.conf", "reload"},
		Active:     []string{"/usr/local/bin/imap-sessions"},
		Stop:       []string{"/usr/bin/doveadm", "-c", "/etc/roster/dovecot.conf", "stop"},
		StopSignal: "TERM",
		KillAfter:  20 * time.Second,
		Adopt:      process.Adopt{PIDFile: "/run/dovecot/master.pid"},
	}
	if diff := cmp.Diff(want, cfg.Process["imap"]); diff != "" {
		t.Fatal(diff)
	}
	mx := func(verb string) []string { return []string{"/etc/roster/mx.sh", verb} }
	scripts := exec.Scripts{
		Start: mx("start"), Stop: mx("stop"), Status: mx("status"), Drain: mx("drain"), Undrain: mx("undrain"), Sessions: mx("sessions"),
		Env: map[string]string{"MAIL_CONFIG": "/etc/postfix"}, PassEnv: []string{"LC_ALL"},
		StartWithin: 2 * time.Minute, StopWithin: 90 * time.Second, AnswerWithin: 5 * time.Second,
	}
	if diff := cmp.Diff(scripts, cfg.Exec["smtp-inbound"]); diff != "" {
		t.Fatal(diff)
	}
	if jmap := c.GetServices()[1]; jmap.GetRestartGroup() != "web" || jmap.GetEndpoints()[0].GetPath() != "/jmap" {
		t.Fatalf("%v", jmap)
	}
}

func TestTheExamplesOfTheDocsAreRead(t *testing.T) {
	text, err := os.ReadFile("../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, part := range strings.Split(string(text), "\n\n") {
		src := strings.ReplaceAll("\n"+part, "\n    ", "\n") + "\n"
		switch {
		case strings.HasPrefix(src, "\nnode:"):
		case strings.HasPrefix(src, "\nservices:"):
			src = "node: n\ndir: d\nmembers: [127.0.0.1:7401]" + src
		default:
			continue
		}
		read++
		if _, err := parseConfig("docs/agents.md", []byte(src), nil); err != nil {
			t.Error(err)
		}
	}
	if read != 3 {
		t.Fatalf("%d examples were found", read)
	}
}

// good is a config without faults; cases change one thing of it.
const good = `node: mail-1
dir: data
members: [127.0.0.1:7401]
services:
  - name: imap
    driver: process
    endpoints: [{host: 127.0.0.1, port: 143}]
    process: {argv: [/usr/sbin/dovecot, -F]}
`

func TestEveryFaultIsToldWithItsPlaceAndItsMend(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		line, column   int
		message, mend  string
	}{
		{"misspelt key", "members:", "mebmers:", 3, 1, `unknown field "mebmers"`, "did you mean members?"},
		{"misspelt key of a service", "driver: process", "driven: process", 6, 5, `unknown field "driven"`, "did you mean driver?"},
		{"a key of nothing", "dir: data", "dir: data\ncolour: blue", 3, 1, `unknown field "colour"`, "correct its spelling"},
		{"misspelt key in braces", "port: 143", "prot: 143", 7, 35, `unknown field "prot"`, "did you mean port?"},
		{"misspelt driver", "driver: process", "driver: proces", 6, 13, "no driver", "did you mean process?"},
		{"misspelt way to speak TLS", "port: 143", "port: 143, tls: startls", 7, 51, "no way to speak TLS", "did you mean starttls?"},
		{"no list", "[127.0.0.1:7401]", "127.0.0.1:7401", 3, 10, "a list is expected", "[A, B]"},
		{"no mapping where one is due", "{argv: [/usr/sbin/dovecot, -F]}", "dovecot", 8, 14, "keys with values", "KEY: VALUE"},
		{"a list for a value", "dir: data", "dir: [data]", 2, 6, "single value", "right kind"},
		{"a key twice", "dir: data", "node: mail-2", 2, 1, "already defined", "one of the two"},
		{"no number", "port: 143", "port: imap", 7, 41, "cannot unmarshal", "right kind"},
		{"no time", "dir: data", "dir: data\nprobe_interval: soon", 3, 17, "no time", "10s"},
		{"a negative time", "dir: data", "dir: data\nprobe_interval: -1s", 3, 17, "negative", "default"},
		{"second document", "dir: data", "dir: data\n---\nnode: mail-2", 4, 1, "2 documents", "exactly one"},
		{"alias", "node: mail-1", "node: &n mail-1\nregion: *n", 1, 7, "anchors", "write the value out"},
		{"no mapping", good, "- imap\n", 1, 1, "no mapping", "node: ID"},
		{"nothing", good, "", 1, 1, "documents", "exactly one"},
		{"broken YAML", "members: [127.0.0.1:7401]", "members: [127.0.0.1:7401", 4, 1, "", "indentation"},
		{"no node", "node: mail-1\n", "", 1, 1, "name", "node's id"},
		{"odd node", "node: mail-1", "node: mail 1", 1, 7, "name", "node's id"},
		{"no folder", "dir: data\n", "", 1, 1, "no data folder", "dir:"},
		{"no member", "[127.0.0.1:7401]", "[]", 3, 10, "no member", "members:"},
		{"member without port", "127.0.0.1:7401", "127.0.0.1", 3, 11, "no address", "host:port"},
		{"member elsewhere without TLS", "127.0.0.1:7401", "127.0.0.1:7401, 10.0.0.1:7401", 3, 27, "no TLS", "roster certs"},
		{"half of TLS", "dir: data", "dir: data\ntls: {ca: ca.pem}", 3, 6, "no file", "all of"},
		{"TLS of nothing", "dir: data", "dir: data\ntls: {}", 3, 6, "names no file", "take `tls` out"},
		{"label that is a key", "dir: data", "dir: data\nlabels:\n  zone: a", 4, 3, "what the node already is", "take it out"},
		{"smtp", "name: imap", "name: smtp", 5, 11, "two services", "smtp-inbound"},
		{"odd service", "name: imap", "name: IMAP", 5, 11, "no service name", "lower-case"},
		{"no driver", "    driver: process\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n", "    endpoints: [{host: 127.0.0.1, port: 143}]\n", 5, 5, "no driver", "driver: process"},
		{"unknown driver", "driver: process\n", "driver: systemd\n", 6, 13, "no driver \"systemd\"", "process, exec or builtin"},
		{"no command", "    process: {argv: [/usr/sbin/dovecot, -F]}\n", "", 5, 5, "no command", "argv"},
		{"no argv", "{argv: [/usr/sbin/dovecot, -F]}", "{stop_signal: TERM}", 8, 14, "nothing to run", "foreground"},
		{"empty prepare", "{argv: [/usr/sbin/dovecot, -F]}", "{argv: [a], prepare: [[]]}", 8, 36, "nothing to run", "take it out"},
		{"drain without undrain", "{argv: [/usr/sbin/dovecot, -F]}", "{argv: [a], drain: [b]}", 8, 33, "taken back", "undrain"},
		{"undrain without drain", "{argv: [/usr/sbin/dovecot, -F]}", "{argv: [a], undrain: [b]}", 8, 35, "take back", "drain"},
		{"odd signal", "{argv: [/usr/sbin/dovecot, -F]}", "{argv: [a], stop_signal: STOPP}", 8, 39, "no signal", "TERM"},
		{"negative patience", "{argv: [/usr/sbin/dovecot, -F]}", "{argv: [a], kill_after: -1s}", 8, 38, "negative", "30s"},
		{"restart group of processes", "driver: process", "driver: process\n    restart_group: mail", 7, 20, "no restart groups", "take it out"},
		{"odd data", "driver: process", "driver: process\n    data: mine", 7, 11, "where data lives", "shared or local"},
		{"command of the builtin driver", "driver: process", "driver: builtin", 8, 14, "runs no command", "take `process` out"},
		{"no endpoint", "    endpoints: [{host: 127.0.0.1, port: 143}]\n", "", 5, 5, "no endpoint", "endpoints:"},
		{"every address", "host: 127.0.0.1", "host: 0.0.0.0", 7, 24, "every address", "clients dial"},
		{"no host", "host: 127.0.0.1, ", "", 7, 17, "no host", "clients dial"},
		{"no port", "port: 143", "port: 0", 7, 41, "no port", "65535"},
		{"large port", "port: 143", "port: 65536", 7, 41, "no port", "65535"},
		{"odd TLS", "port: 143", "port: 143, tls: ssl", 7, 51, "no way to speak TLS", "starttls"},
		{"path of imap", "port: 143", "port: 143, path: /x", 7, 52, "path", "jmap and webdav"},
		{"one endpoint twice", "[{host: 127.0.0.1, port: 143}]", "[{host: 127.0.0.1, port: 143}, {host: 127.0.0.1, port: 143}]", 7, 47, "already", "of its own"},
		{"odd mode", "dir: data", "dir: data\nmode: watch", 3, 7, "no mode \"watch\"", "use observe or act"},
		{"misspelt mode", "dir: data", "dir: data\nmode: obsreve", 3, 7, "no mode", "did you mean observe?"},
		{"never_stop of no service", "dir: data", "dir: data\nnever_stop: [imap, jmap]", 3, 20, "no service \"jmap\"", "services of this file"},
		{"never_stop misspelt", "dir: data", "dir: data\nnever_stop: [imaps]", 3, 14, "no service", "did you mean imap?"},
		{"never_stop twice", "dir: data", "dir: data\nnever_stop: [imap, imap]", 3, 20, "twice", "one of the two"},
		{"never_stop is no list", "dir: data", "dir: data\nnever_stop: imap", 3, 13, "a list is expected", "[A, B]"},
		{"never_stop in a restart group", "    driver: process\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n", "    driver: builtin\n    restart_group: mail\n    endpoints: [{host: 127.0.0.1, port: 143}]\nnever_stop: [imap]\n", 7, 20, "restart group restarts it", "never_stop"},
		{"freeze file is a list", "dir: data", "dir: data\nfreeze_file: [x]", 3, 14, "single value", "right kind"},
		{"misspelt freeze file", "dir: data", "dir: data\nfreezefile: x", 3, 1, "unknown field", "did you mean freeze_file?"},
		{"relative pid file", "{argv: [/usr/sbin/dovecot, -F]}", "{argv: [a], adopt: {pid_file: run/x.pid}}", 8, 44, "no absolute path", "whole path"},
		{"adopt of nothing", "{argv: [/usr/sbin/dovecot, -F]}", "{argv: [a], adopt: {}}", 8, 33, "names no file", "pid_file"},
		{"misspelt pid file", "{argv: [/usr/sbin/dovecot, -F]}", "{argv: [a], adopt: {pidfile: /x}}", 8, 34, "unknown field", "did you mean pid_file?"},
		{"no scripts", "driver: process\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n", "driver: exec\n    endpoints: [{host: 127.0.0.1, port: 143}]\n", 5, 5, "no scripts", "status"},
		{"scripts of the process driver", "    process: {argv", "    exec: {start: [a], stop: [a], status: [a]}\n    process: {argv", 8, 11, "runs no scripts", "take `exec` out"},
		{"no status", "driver: process\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n", "driver: exec\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    exec: {start: [a], stop: [a]}\n", 8, 11, "nothing to run", "exits with 0"},
		{"drain script without undrain", "driver: process\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n", "driver: exec\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    exec: {start: [a], stop: [a], status: [a], drain: [b]}\n", 8, 55, "taken back", "undrain"},
		{"odd variable", "driver: process\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n", "driver: exec\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    exec: {start: [a], stop: [a], status: [a], pass_env: [A=b]}\n", 8, 59, "no name", "env"},
		{"negative time of a script", "driver: process\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n", "driver: exec\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    exec: {start: [a], stop: [a], status: [a], stop_within: -1s}\n", 8, 61, "negative", "default"},
		{"restart group of scripts", "driver: process\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n", "driver: exec\n    restart_group: mail\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    exec: {start: [a], stop: [a], status: [a]}\n", 7, 20, "no restart groups", "take it out"},
		{"one service twice", "services:", "services:\n  - {name: imap, driver: builtin, endpoints: [{host: 127.0.0.1, port: 1}]}", 6, 11, "twice", "all of its endpoints"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.from) {
				t.Fatalf("the case changes nothing: %q", c.from)
			}
			path := filepath.Join(t.TempDir(), "agent.yaml")
			_, err := parseConfig(path, []byte(strings.Replace(good, c.from, c.to, 1)), nil)
			var fs Faults
			if !errors.As(err, &fs) {
				t.Fatalf("load: %v", err)
			}
			i := slices.IndexFunc(fs, func(f *Fault) bool {
				return strings.Contains(f.Message, c.message) && strings.Contains(f.Mend, c.mend)
			})
			if i < 0 {
				t.Fatalf("no fault says %q and %q:\n%v", c.message, c.mend, err)
			}
			f := fs[i]
			if f.Line != c.line || f.Column != c.column || f.File != path {
				t.Errorf("at %d:%d, want %d:%d:\n%v", f.Line, f.Column, c.line, c.column, f)
			}
			if !strings.HasSuffix(f.Excerpt, "^") || !strings.Contains(f.Error(), fmt.Sprintf("%s:%d:%d: ", path, f.Line, f.Column)) {
				t.Errorf("error: %v", f)
			}
		})
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	_, err := parseConfig("agent.yaml", []byte("members: [10.0.0.1]\nservices:\n  - {name: smtp, data: mine}\n"), nil)
	var fs Faults
	if !errors.As(err, &fs) || len(fs) < 6 {
		t.Fatalf("load: %v", err)
	}
}

// What a person has to mend is told in one go, and what only follows from it is not.
func TestFaultsOfFormAreAllToldAtOnceWithoutWhatFollowsFromThem(t *testing.T) {
	_, err := parseConfig("agent.yaml", []byte(`node: mail-1
dirr: data
mebmers: [127.0.0.1:7401]
regoin: eu
capacity: much
services:
  - name: imap
    drivr: process
    endpoints: [{host: 127.0.0.1, prt: 143}]
    proces: {argv: [dovecot]}
  - name: SMTP
    driver: builtn
    endpoints: [{host: 0.0.0.0, port: 25}]
`), nil)
	var fs Faults
	if !errors.As(err, &fs) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range fs {
		mend, _, _ := strings.Cut(f.Mend, "?")
		got = append(got, fmt.Sprintf("%d:%d %s", f.Line, f.Column, mend))
	}
	want := []string{
		"2:1 did you mean dir", "3:1 did you mean members", "4:1 did you mean region", "5:11 write a value of the right kind",
		"8:5 did you mean driver", "9:35 did you mean port", "10:5 did you mean process",
		"11:11 use 1 to 63 lower-case letters, digits and '-', as imap or smtp-inbound", "12:13 did you mean builtin",
		"13:24 give the address that clients dial, not the one that the daemon binds",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestAProgramThatIsNotThereIsToldWithItsPlace(t *testing.T) {
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(notes, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "agent.yaml")
	load := func(process string) Faults {
		t.Helper()
		src := strings.Replace(good, "    process: {argv: [/usr/sbin/dovecot, -F]}\n", process, 1)
		if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadConfig(path)
		var fs Faults
		if err != nil && !errors.As(err, &fs) {
			t.Fatal(err)
		}
		return fs
	}
	if fs := load("    process:\n      argv: [/bin/sh, -c, x]\n      prepare: [[sh, x]]\n      stop: [sh]\n"); fs != nil {
		t.Fatal(fs)
	}
	fs := load("    process:\n" +
		"      argv: [/no/such/daemon, -F]\n" +
		"      prepare:\n        - [sh, -c, x]\n        - [" + notes + "]\n" +
		"      drain: [no-such-program-anywhere]\n" +
		"      undrain: [./undrain.sh]\n" +
		"      active: [" + dir + "]\n" +
		"      stop: [/no/stop]\n")
	want := []string{
		"9:14 /no/such/daemon cannot be run: there is no such file",
		"12:12 " + notes + " cannot be run: it is not an executable file",
		"13:15 no-such-program-anywhere cannot be run: it is not in PATH",
		"14:17 ./undrain.sh is a relative path, and commands run in a folder of the agent's",
		"15:16 " + dir + " cannot be run: is a directory",
		"16:14 /no/stop cannot be run: there is no such file",
	}
	var got []string
	for _, f := range fs {
		got = append(got, fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.Message))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestALargeFileIsRefused(t *testing.T) {
	_, err := parseConfig("agent.yaml", []byte(good+"#"+strings.Repeat("x", largestConfig)), nil)
	if err == nil || !strings.Contains(err.Error(), "1 MiB") {
		t.Fatal("it was read")
	}
}

func TestAFileThatNestsWithoutEndIsRefused(t *testing.T) {
	for _, part := range []string{"[", "- ", "{a: ", "? "} {
		_, err := parseConfig("agent.yaml", []byte(strings.Repeat(part, largestConfig/len(part))), nil)
		if err == nil || !strings.Contains(err.Error(), "deeper") || len(err.Error()) > 1000 {
			t.Errorf("%q over and over: %.200v", part, err)
		}
	}
}

func TestNoFileIsAnErrorThatNamesIt(t *testing.T) {
	if _, err := LoadConfig("testdata/config/none.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(good))
	reference, err := os.ReadFile("testdata/config/reference.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(reference)
	f.Add([]byte("node: &a [*a]\n"))
	f.Add([]byte("members: !00\n000000000\n  -000000000000000000000000000000000000000000000000000000000000000"))
	f.Add([]byte(strings.Repeat("[", 1000)))
	f.Add([]byte(strings.Repeat("- ", 1000)))
	f.Add([]byte("services: [{endpoints: [{port: -1}]}]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		cfg, err := parseConfig("agent.yaml", src, nil)
		if err == nil && cfg.Validate() != nil {
			t.Fatal("read without an error, and not valid")
		}
	})
}

// The packaged config observes: an agent that is installed and started touches nothing.
func TestThePackagedConfigObserves(t *testing.T) {
	src, err := os.ReadFile("examples/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := parseConfig("examples/agent.yaml", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Claims.GetMode() != v1.AgentMode_AGENT_MODE_OBSERVE || len(cfg.Claims.GetServices()) == 0 {
		t.Fatalf("%v", cfg.Claims)
	}
	for _, s := range cfg.Claims.GetServices() {
		if s.GetDriver() == DriverProcess && cfg.Process[s.GetName()].Adopt.PIDFile == "" {
			t.Errorf("%s could not be taken over", s.GetName())
		}
	}
}

// A config that says nothing of a mode is one from before there was one: it acts.
func TestAConfigWithoutAModeActs(t *testing.T) {
	cfg, err := parseConfig("agent.yaml", []byte(good), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.cfg.Claims.GetMode(); got != v1.AgentMode_AGENT_MODE_ACT {
		t.Fatalf("it claims %s", got)
	}
	if a.cfg.FreezeFile != "data/freeze" {
		t.Fatalf("freeze file %s", a.cfg.FreezeFile)
	}
}

func TestAScriptThatIsNotThereIsToldWithItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	src := strings.Replace(good, "    driver: process\n", "    driver: exec\n", 1)
	src = strings.Replace(src, "    process: {argv: [/usr/sbin/dovecot, -F]}\n", "    exec:\n      start: [/bin/sh, x]\n      stop: [/no/stop]\n      status: [./status]\n", 1)
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LoadConfig(path)
	if err == nil || !strings.Contains(err.Error(), ":10:14: ") || !strings.Contains(err.Error(), "/no/stop cannot be run") || !strings.Contains(err.Error(), "./status is a relative path") {
		t.Fatal(err)
	}
}
