package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"roster/client/jsonform"
	"roster/cmd/internal/fakemember"
	"roster/cmd/internal/golden"
	v1 "roster/proto/roster/v1"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"roster": main})
}

// The scripts in testdata/script run the verbs against pretended members.
func TestVerbs(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: golden.Updating(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			for _, name := range []string{"ROSTER_MEMBERS", "ROSTER_CA", "ROSTER_CERT", "ROSTER_KEY"} {
				env.Setenv(name, "")
			}
			member := fakemember.Start(env.T().(testing.TB))
			env.Values[memberKey{}] = member
			env.Setenv("MEMBER", member.Address)
			// The same member by another address.
			env.Setenv("ALIAS", strings.Replace(member.Address, "127.0.0.1", "localhost", 1))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    code,
			"healthy": healthy,
			"answer":  answer,
			"refuse":  refuse,
			"hang":    hang,
			"calls":   calls,
			"arrived": arrived,
			"sameid":  sameID,
			"saves":   saves,
		},
	})
}

type memberKey struct{}

func member(ts *testscript.TestScript) *fakemember.Member {
	return ts.Value(memberKey{}).(*fakemember.Member)
}

// code N COMMAND… runs a command and wants that exit code.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// healthy sets the answers of a healthy cluster and lets verbs ask the member.
func healthy(ts *testscript.TestScript, _ bool, _ []string) {
	member(ts).Healthy()
	ts.Setenv("ROSTER_MEMBERS", member(ts).Address)
}

// answer METHOD FILE… sets what a method answers, one after the other.
func answer(ts *testscript.TestScript, _ bool, args []string) {
	m := member(ts)
	m.Answer(args[0])
	for _, file := range args[1:] {
		response, err := fakemember.ResponseOf(args[0], []byte(ts.ReadFile(file)))
		ts.Check(err)
		m.Add(args[0], response)
	}
}

// refuse METHOD CODE REASON MESSAGE [FILE…] lets a method fail, and then answer.
func refuse(ts *testscript.TestScript, _ bool, args []string) {
	grpcCode, err := fakemember.Code(args[1])
	ts.Check(err)
	member(ts).Refuse(args[0], grpcCode, args[2], args[3])
	for _, file := range args[4:] {
		response, err := fakemember.ResponseOf(args[0], []byte(ts.ReadFile(file)))
		ts.Check(err)
		member(ts).Add(args[0], response)
	}
}

func hang(ts *testscript.TestScript, _ bool, args []string) { member(ts).Hang(args[0]) }

// calls METHOD prints how many requests came, then each as a line of JSON.
func calls(ts *testscript.TestScript, _ bool, args []string) {
	all := member(ts).Calls(args[0])
	fmt.Fprintf(ts.Stdout(), "%d calls\n", len(all))
	for _, call := range all {
		text, err := jsonform.MarshalCompact(call.Request)
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%s\n", bytes.TrimSpace(text))
	}
}

// arrived METHOD N waits until so many requests came.
func arrived(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	for deadline := time.Now().Add(20 * time.Second); len(member(ts).Calls(args[0])) < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%d calls of %s came, not %d", len(member(ts).Calls(args[0])), args[0], want)
		}
	}
}

// sameID METHOD ID FILE wants every JoinMember to have had the id that the file
// ID has, and FILE to have it too.
func sameID(ts *testscript.TestScript, _ bool, args []string) {
	id := strings.TrimSpace(ts.ReadFile(args[1]))
	for _, call := range member(ts).Calls(args[0]) {
		if got := call.Request.(*v1.JoinMemberRequest).GetMember().GetId(); got != id {
			ts.Fatalf("member joined as %s, its id is %s", got, id)
		}
	}
	if !strings.Contains(ts.ReadFile(args[2]), id) {
		ts.Fatalf("%s has not id %s", args[2], id)
	}
}

// saves BYTES lets SaveSnapshot answer with the first bytes of a real snapshot,
// or all of it, and writes the same to state.snapshot.
func saves(ts *testscript.TestScript, _ bool, args []string) {
	whole, err := os.ReadFile(snapshotFile)
	ts.Check(err)
	if args[0] != "all" {
		most, err := strconv.Atoi(args[0])
		ts.Check(err)
		whole = whole[:most]
	}
	m := member(ts)
	m.Answer("SaveSnapshot")
	for piece := range slices.Chunk(whole, 1000) {
		m.Add("SaveSnapshot", &v1.SaveSnapshotResponse{Data: piece, Index: 61})
	}
	ts.Check(os.WriteFile(ts.MkAbs("state.snapshot"), whole, 0o600))
}

// snapshotFile is a snapshot that every build has to read.
var snapshotFile, _ = filepath.Abs("../../fsm/testdata/golden/schema1.snap")
