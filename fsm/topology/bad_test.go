package topology

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	badFolder = "testdata/bad"
	reference = "../../docs/topology.md"
	// clusterName is the cluster that the broken files are read for.
	clusterName = "example-mail"
)

// tooLarge are broken files that are better made than kept.
func tooLarge() map[string][]byte {
	pool := "name: bad\npools:\n  - {name: imap, services: [imap], count: 2}\n"
	return map[string][]byte{
		"T001-one-megabyte.yaml":   []byte(pool + strings.Repeat("# filler\n", 120_000)),
		"T001-at-the-limit.yaml":   []byte(pool + strings.Repeat("#", MaxSize-len(pool))),
		"T009-too-many-parts.yaml": []byte("name: bad\npools: [" + strings.Repeat("a,", 210_000) + "]\n"),
	}
}

func badFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := tooLarge()
	names, err := filepath.Glob(filepath.Join(badFolder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = src
	}
	return files
}

// readBad reads a broken file as what its name says it is.
func readBad(name string, src []byte) error {
	if strings.HasPrefix(name, "N") {
		_, err := ParseNodes(name, src)
		return err
	}
	_, err := ParseFor(name, src, clusterName)
	return err
}

func TestEveryBrokenFileIsRefusedWithPlaceExcerptAndMend(t *testing.T) {
	for name, src := range badFiles(t) {
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			err := readBad(name, src)
			if err == nil {
				t.Fatal("the file was accepted")
			}
			golden := filepath.Join(badFolder, strings.TrimSuffix(name, ".yaml")+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("-want +have\n%s", diff)
			}
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("errors.As does not find the fault in %T", err)
			}
			if rule, _, found := strings.Cut(name, "-"); found && isRule(rule) && !strings.Contains(err.Error(), "["+rule+"]\n") {
				t.Errorf("rule %s, for which the file is named, does not refuse it", rule)
			}
			if fault.Message == "" || fault.Mend == "" || fault.File != name {
				t.Errorf("the fault lacks file, message or mend: %+v", fault)
			}
			whole := fault.Rule == ruleSize || fault.Rule == ruleEmpty // no line is at fault
			if !whole && (fault.Line < 1 || fault.Column < 1 || fault.Excerpt == "") {
				t.Errorf("the fault has no place: %+v", fault)
			}
		})
	}
}

var ruleID = regexp.MustCompile(`^[TN][0-9]{3}$`)

func isRule(text string) bool { return ruleID.MatchString(text) }

// documentedRules reads the ids from the tables of the topology reference.
func documentedRules(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([TN][0-9]{3}) \|`).FindAllStringSubmatch(string(text), -1) {
		if slices.Contains(rules, row[1]) {
			t.Errorf("the reference lists %s twice", row[1])
		}
		rules = append(rules, row[1])
	}
	return rules
}

func TestEveryRuleOfTheReferenceHasABrokenFileAndEveryBrokenFileARule(t *testing.T) {
	documented := documentedRules(t)
	shown := make(map[string]bool)
	for name := range badFiles(t) {
		rule, _, _ := strings.Cut(name, "-")
		if !isRule(rule) {
			continue // shows several rules at once
		}
		shown[rule] = true
		if !slices.Contains(documented, rule) {
			t.Errorf("%s is named for a rule that the reference does not list", name)
		}
	}
	for _, rule := range documented {
		if !shown[rule] {
			t.Errorf("the reference lists %s, and no broken file shows it", rule)
		}
	}
}

func TestEveryRuleInTheCodeIsInTheReference(t *testing.T) {
	src, err := os.ReadFile("rules.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := documentedRules(t)
	for _, m := range regexp.MustCompile(`"([TN][0-9]{3})"`).FindAllStringSubmatch(string(src), -1) {
		if !slices.Contains(documented, m[1]) {
			t.Errorf("the code knows %s, the reference does not", m[1])
		}
	}
}

func TestEveryKeyThatThisReleaseDoesNotBuildHasABrokenFile(t *testing.T) {
	files := badFiles(t)
	for _, key := range []string{"exclusive", "task"} {
		if _, ok := files[fmt.Sprintf("T901-%s.yaml", key)]; !ok {
			t.Errorf("no broken file shows %s", key)
		}
	}
}

func TestAllFaultsOfMeaningAreToldAtOnce(t *testing.T) {
	err := readBad("many.yaml", badFiles(t)["many-faults-at-once.yaml"])
	var all Errors
	if !errors.As(err, &all) {
		t.Fatalf("want Errors, have %v", err)
	}
	var rules []string
	for _, fault := range all {
		rules = append(rules, fault.Rule)
	}
	want := []string{ruleTitle, ruleKnown, ruleSize1, ruleNameOnce, ruleHasServices, ruleEntryUsed, ruleDrain, ruleShare}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
}
