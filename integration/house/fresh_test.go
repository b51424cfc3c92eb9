package house

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestGeneratedCodeIsFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: building the generators takes a minute")
	}
	out := t.TempDir()
	for _, arguments := range [][]string{{"-o", out}, {"--template", "buf.gen.http.yaml", "-o", out}} {
		cmd := exec.Command("go", append([]string{"tool", "-modfile=tools.mod", "buf", "generate"}, arguments...)...)
		cmd.Dir = root
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("buf generate: %v\n%s", err, msg)
		}
	}
	for _, folder := range []string{"proto", "server/http/gateway"} {
		sameAsGenerated(t, out, folder)
	}
}

func sameAsGenerated(t *testing.T, out, folder string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(out, folder), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		rel, _ := filepath.Rel(out, path)
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(root, rel))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run make generate", rel)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%s: %d generated files: %v", folder, n, err)
	}
}

func TestModuleFilesAreTidy(t *testing.T) {
	cmd := exec.Command("go", "mod", "tidy", "-diff")
	cmd.Dir = root
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go mod tidy would change something: %v\n%s", err, msg)
	}
}

// The repo speaks of Roster alone: no path of a machine, nothing outside it.
func TestTheRepoNamesNoMachineAndNothingOutside(t *testing.T) {
	banned := []string{"/wo" + "rk/", ".." + "/shared", "/ro" + "ot/"}
	out, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	for _, f := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		b, err := os.ReadFile(filepath.Join(root, f))
		if err != nil {
			continue
		}
		for _, word := range banned {
			if bytes.Contains(b, []byte(word)) {
				t.Errorf("%s names %q", f, word)
			}
		}
	}
}

func TestEachDirectDependencyHasItsReason(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(mod), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.Contains(line, "// indirect") || !strings.Contains(fields[0], "/") {
			continue
		}
		if !strings.Contains(string(reasons), fields[0]) {
			t.Errorf("docs/dependencies.md gives no reason for %s", fields[0])
		}
	}
}
