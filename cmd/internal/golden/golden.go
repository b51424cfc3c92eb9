// Package golden owns the comparison of output with a file in testdata. Tests
// alone use it; -update writes the files anew. Safe from parallel tests on
// different files.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Updating says whether the test run was asked to write the files anew.
func Updating() bool { return *update }

// Compare fails the test where got differs from the file.
func Compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n  run this test with -update to write it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what was made (-file +made):\n%s\n  run this test with -update if that is right", file, diff)
	}
}
