package house

import (
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// testsOf lists the tests of each package.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, s := range sources(t) {
		if !strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				all[s.dir+" "+f.Name.Name] = true
			}
		}
	}
	return all
}

// A fact whose test was renamed or dropped is a claim.
func TestEachFactAboutFailuresNamesATestThatThereIs(t *testing.T) {
	text := page(t, "docs/failures.md")
	tests := testsOf(t)
	named := regexp.MustCompile("`([a-z/]+)` `(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(text, -1)
	for _, m := range named {
		if !tests[m[1]+" "+m[2]] {
			t.Errorf("there is no test %s in %s", m[2], m[1])
		}
	}
	if mentions := strings.Count(text, "`Test"); mentions != len(named) {
		t.Errorf("%d tests are named, %d of them with their package", mentions, len(named))
	}
	for _, row := range strings.Split(text, "\n") {
		if strings.HasPrefix(row, "| **") && !strings.Contains(row, "`Test") {
			t.Errorf("no test shows: %s", row)
		}
	}
	for _, m := range regexp.MustCompile("`(Test[A-Za-z0-9]+)` in\n?\\[([a-z/]+)\\]").FindAllStringSubmatch(page(t, "docs/adopting.md"), -1) {
		if !tests[m[2]+" "+m[1]] {
			t.Errorf("docs/adopting.md: there is no test %s in %s", m[1], m[2])
		}
	}
}

// A link to nowhere is found by whoever needs the page most.
func TestEachLinkOfAPageLeadsSomewhere(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, file := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s links to %s: %v", filepath.Base(file), m[1], err)
			}
		}
	}
}

// An agent's daemons outlive it only if its unit says so, and get all that they
// need only if it leaves them alone.
func TestTheUnitsAreReadBySystemdAndTheAgentsLeavesItsDaemonsAlone(t *testing.T) {
	agent, server := page(t, "docs/units/roster-agent.service"), page(t, "docs/units/roster-server.service")
	for _, key := range []string{"KillMode=process", "OOMPolicy=continue", "Restart=always", "StartLimitIntervalSec=0"} {
		if !strings.Contains(agent, "\n"+key+"\n") {
			t.Errorf("the agent's unit lacks %s", key)
		}
	}
	for _, key := range []string{
		"NoNewPrivileges", "PrivateTmp", "ProtectSystem", "ProtectHome", "PrivateDevices", "CapabilityBoundingSet", "User", "DynamicUser",
		"SystemCallFilter", "MemoryDenyWriteExecute", "RestrictSUIDSGID", "PrivateNetwork", "UMask", "MemoryMax", "RuntimeMaxSec", "WatchdogSec",
	} {
		if strings.Contains(agent, "\n"+key+"=") {
			t.Errorf("the agent's unit sets %s, for every daemon that it starts", key)
		}
	}
	for _, key := range []string{"User=roster", "Restart=always", "ProtectSystem=strict", "StateDirectory=roster/member", "NoNewPrivileges=yes"} {
		if !strings.Contains(server, "\n"+key+"\n") {
			t.Errorf("the member's unit lacks %s", key)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("no systemd-analyze here: the keys above are all that was looked at")
		return
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"roster-agent.service": agent, "roster-server.service": server} {
		// It wants to see the program.
		text = strings.ReplaceAll(text, "/usr/bin/roster", "/bin/true")
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), analyze, "verify", file).CombinedOutput(); err != nil || strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
