package http

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	v1 "roster/proto/roster/v1"
	"roster/server/status"
)

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert       string
			Expr        string
			For         string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

// An alert on a series that nobody makes never fires, and nobody notices.
func TestEveryAlertIsOnASeriesThatThereIsAndInAWordOfStatus(t *testing.T) {
	var file ruleFile
	if err := yaml.UnmarshalWithOptions(alertRules, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	p := open(t)
	_, metrics := p.call(t, "GET", "/metrics", "", "")
	words := map[string]bool{}
	for _, name := range v1.StatusState_name {
		words[lower(name, "STATUS_STATE_")] = true
	}
	covered := map[string]bool{}
	rollouts := map[string]bool{}
	for _, name := range v1.RolloutState_name {
		rollouts[lower(name, "ROLLOUT_STATE_")] = true
	}
	names, states := regexp.MustCompile(`\broster_[a-z_]+`), regexp.MustCompile(`(roster_[a-z_]+)\{state="([a-z_]+)"`)
	for _, rule := range file.Groups[0].Rules {
		for _, name := range names.FindAllString(rule.Expr, -1) {
			if !strings.Contains(metrics, "# TYPE "+name+" ") {
				t.Errorf("%s: there is no series %s", rule.Alert, name)
			}
		}
		for _, m := range states.FindAllStringSubmatch(rule.Expr, -1) {
			if known := map[string]map[string]bool{"roster_status": words, "roster_rollout": rollouts}[m[1]]; !known[m[2]] {
				t.Errorf("%s: %q is no state of %s", rule.Alert, m[2], m[1])
			}
		}
		if !words[rule.Labels["state"]] || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s: labels %v, annotations %v", rule.Alert, rule.Labels, rule.Annotations)
		}
		covered[rule.Labels["state"]] = true
	}
	for word := range words {
		if word != "ok" && word != "unknown" && !covered[word] {
			t.Errorf("no alert for the word %s", word)
		}
	}
}

// Whoever is woken by an alert looks for its name, or for the first word.
func TestEveryAlertAndEveryWordOfStatusHasItsSectionOfThePageForTheNight(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "3am.md"))
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.UnmarshalWithOptions(alertRules, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	section := func(name string) {
		t.Helper()
		_, rest, found := strings.Cut(string(page), "# "+name+"\n")
		if text, _, _ := strings.Cut(rest, "\n#"); !found || strings.TrimSpace(text) == "" {
			t.Errorf("docs/3am.md has no section %q, or nothing in it", name)
		}
	}
	for _, rule := range file.Groups[0].Rules {
		section(rule.Alert)
	}
	for state := range v1.StatusState_name {
		if state := v1.StatusState(state); state != v1.StatusState_STATUS_STATE_UNSPECIFIED {
			section(status.Word(state))
		}
	}
	if !strings.Contains(string(alertRules), "docs/3am.md") {
		t.Error("the rules do not say where their alerts are explained")
	}
}

func TestPromtoolAcceptsTheAlertRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: install Debian's prometheus")
	}
	file := filepath.Join(t.TempDir(), "alerts.rules.yaml")
	if err := os.WriteFile(file, alertRules, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
