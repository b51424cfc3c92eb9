package house

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rule whose mutant is gone is a claim, and a mutant of no rule proves nothing
// that anybody asked for.
func TestEachMutantBelongsToARuleAndEachRuleHasItsMutants(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "testdata", "mutants", "*.patch"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d mutants, %v", len(files), err)
	}
	named := map[string]int{}
	for _, file := range files {
		named[strings.TrimSuffix(filepath.Base(file), ".patch")] = 0
	}
	_, tables, found := strings.Cut(page(t, "docs/proof.md"), "\n## Mutants\n")
	if !found {
		t.Fatal("docs/proof.md says nothing of mutants")
	}
	pattern := regexp.MustCompile("`([a-z0-9]+-[a-z0-9*-]+)`")
	for _, row := range strings.Split(tables, "\n") {
		if !strings.HasPrefix(row, "| ") || strings.HasPrefix(row, "| rule |") || strings.HasPrefix(row, "| patches |") {
			continue
		}
		patterns := pattern.FindAllStringSubmatch(row, -1)
		if len(patterns) == 0 {
			t.Errorf("no mutant breaks this rule: %s", row)
		}
		for _, p := range patterns {
			some := false
			for name := range named {
				if ok, err := path.Match(p[1], name); err != nil {
					t.Fatal(err)
				} else if ok {
					some = true
					named[name]++
				}
			}
			if !some {
				t.Errorf("there is no mutant %s", p[1])
			}
		}
	}
	for name, rows := range named {
		if rows == 0 {
			t.Errorf("mutant %s is in no table of docs/proof.md", name)
		}
	}
}

func TestEachMutantSaysItsClaimAndNamesATestThatThereIs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "testdata", "mutants", "*.patch"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]string{}
	for key := range testsOf(t) {
		dir, name, _ := strings.Cut(key, " ")
		tests[dir] = append(tests[dir], name)
	}
	head := regexp.MustCompile(`^# claim: \S.*\n# test: \./([a-z/]+) -run ('[^']+'|\S+)\n`)
	for _, file := range files {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := head.FindSubmatch(text)
		if m == nil {
			t.Errorf("%s does not begin with `# claim: …` and `# test: ./pkg -run 'TestName'`", name)
			continue
		}
		words := regexp.MustCompile(`Test\w+`).FindAllString(string(m[2]), -1)
		if len(words) == 0 {
			t.Errorf("%s names no test: %s", name, m[2])
		}
		for _, word := range words {
			if !slices.ContainsFunc(tests[string(m[1])], func(test string) bool { return strings.HasPrefix(test, word) }) {
				t.Errorf("%s: there is no test %s in %s", name, word, m[1])
			}
		}
	}
}
