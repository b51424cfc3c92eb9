// Package house holds the rules of the house as tests: which way imports run,
// what pure packages may know, that every package says what it owns, that
// generated code and the module files are fresh. It knows no other package.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// floor of each room: a package may import packages of its own row's list only.
var mayImport = []struct {
	room    string
	allowed []string
}{
	{"proto", []string{"proto"}},
	{"fsm/topology", []string{"proto", "fsm/topology"}},
	{"fsm/placement", []string{"proto", "fsm/topology", "fsm/placement"}},
	{"fsm/rollout", []string{"proto", "fsm/topology", "fsm/placement", "fsm/rollout"}},
	{"fsm/whatif", []string{"proto", "fsm/topology", "fsm/placement", "fsm/rollout", "fsm/whatif"}},
	{"fsm", []string{"proto", "fsm"}},
	{"client", []string{"proto", "client"}},
	{"agent", []string{"proto", "client", "agent"}},
	{"server", []string{"proto", "fsm", "client", "server"}},
	{"cmd", []string{"proto", "fsm", "client", "agent", "server", "cmd"}},
	{"scripts", []string{}},
	{"integration/checker", []string{"integration/checker"}},
	{"integration", []string{"proto", "fsm", "client", "agent", "server", "integration"}},
}

var topLevel = []string{"proto", "server", "fsm", "agent", "client", "scripts", "integration", "cmd", "docs", "testdata"}

// pure packages decide; they are told the time and never ask for it.
var pure = []string{"fsm/topology", "fsm/placement", "fsm/rollout", "fsm/whatif"}

var impure = []string{
	"os", "io", "bufio", "net", "log", "math/rand", "crypto/rand", "sync", "runtime", "syscall",
	"google.golang.org/grpc", "github.com/hashicorp/raft", "github.com/google/uuid",
}

var clockCalls = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"Tick": true, "NewTimer": true, "NewTicker": true,
}

type source struct {
	dir  string // slash path from the root
	name string
	file *ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if rel != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{filepath.ToSlash(filepath.Dir(rel)), d.Name(), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("found only %d Go files: the walk looks in the wrong place", len(out))
	}
	return out
}

func within(dir, room string) bool { return dir == room || strings.HasPrefix(dir, room+"/") }

func TestImportsRunDownwards(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		var allowed []string
		found := false
		for _, r := range mayImport {
			if within(s.dir, r.room) {
				allowed, found = r.allowed, true
				break
			}
		}
		if !found {
			t.Errorf("%s/%s lies in no room of the house", s.dir, s.name)
			continue
		}
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if path == "github.com/hashicorp/raft" && !within(s.dir, "server/raftnode") {
				t.Errorf("%s/%s imports hashicorp/raft: only server/raftnode knows it", s.dir, s.name)
			}
			target, ours := strings.CutPrefix(path, "roster/")
			if !ours {
				continue
			}
			ok := false
			for _, a := range allowed {
				ok = ok || within(target, a)
			}
			if !ok {
				t.Errorf("%s/%s imports %s, which lies above it", s.dir, s.name, target)
			}
		}
	}
}

func TestPurePackagesKnowNoClockRandomnessOrIO(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		isPure := false
		for _, p := range pure {
			isPure = isPure || within(s.dir, p)
		}
		if !isPure {
			continue
		}
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			for _, bad := range impure {
				if within(path, bad) {
					t.Errorf("%s/%s imports %s: a pure package must not", s.dir, s.name, path)
				}
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && clockCalls[sel.Sel.Name] {
				t.Errorf("%s/%s calls time.%s: time is an argument", s.dir, s.name, sel.Sel.Name)
			}
			return true
		})
	}
}

func TestTheStateMachineAsksNoClock(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir != "fsm" || strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && clockCalls[sel.Sel.Name] {
					t.Errorf("fsm/%s calls time.%s: Apply must be the same on every member", s.name, sel.Sel.Name)
				}
			}
			return true
		})
		for _, imp := range s.file.Imports {
			if p, _ := strconv.Unquote(imp.Path.Value); strings.HasSuffix(p, "rand") || strings.HasPrefix(p, "math/rand") || p == "os" || p == "net" {
				t.Errorf("fsm/%s imports %s: Apply must be the same on every member", s.name, p)
			}
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	said := map[string]string{}
	dirs := map[string]bool{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.name, ".pb.go") {
			continue
		}
		onlyTests := strings.HasSuffix(s.name, "_test.go") && s.dir != "integration/house"
		if !onlyTests {
			dirs[s.dir] = true
		}
		if s.file.Doc != nil {
			said[s.dir] += s.file.Doc.Text()
		}
	}
	for dir := range dirs {
		if len(strings.Fields(said[dir])) < 8 {
			t.Errorf("%s has no package comment of at least a sentence", dir)
		}
	}
}

func TestOnlyTheRoomsOfTheHouseHoldCode(t *testing.T) {
	out, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	for _, f := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		top, _, nested := strings.Cut(f, "/")
		if !nested || strings.HasPrefix(top, ".") {
			continue
		}
		ok := false
		for _, d := range topLevel {
			ok = ok || top == d
		}
		if !ok {
			t.Errorf("%s: %s is no room of the house", f, top)
		}
	}
}
