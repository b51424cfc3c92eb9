package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roster/integration/checker/dial"
	"roster/integration/checker/history"
)

func TestTheCheckerImportsNoPackageOfRoster(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-test", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if strings.HasPrefix(path, "roster/") && !strings.HasPrefix(path, "roster/integration/checker") {
			t.Errorf("the checker imports %s", path)
		}
	}
}

// serve answers each connection with a greeting, until close is called.
func serve(t *testing.T, address, greeting string) (listening string, closeIt func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
			_, _ = io.WriteString(conn, greeting)
			_, _ = bufio.NewReader(conn).ReadString('\n')
			_ = conn.Close()
		}
	}()
	return listener.Addr().String(), func() { _ = listener.Close(); <-done }
}

func TestADialBelievesOnlyTheRightGreeting(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/jmap", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	mux.HandleFunc("OPTIONS /dav", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("DAV", "1, 2") })
	web := httptest.NewServer(mux)
	defer web.Close()
	webAddress := strings.TrimPrefix(web.URL, "http://")
	imap, closeIMAP := serve(t, "127.0.0.1:0", "* OK ready\r\n")
	defer closeIMAP()
	smtp, closeSMTP := serve(t, "127.0.0.1:0", "220 ready\r\n")
	defer closeSMTP()
	busy, closeBusy := serve(t, "127.0.0.1:0", "421 4.3.2 draining\r\n")
	defer closeBusy()
	for _, c := range []struct {
		protocol, address, path string
		answers                 bool
	}{
		{"imap", imap, "", true}, {"imap", smtp, "", false}, {"smtp", smtp, "", true}, {"smtp", busy, "", false},
		{"smtp", imap, "", false}, {"tcp", imap, "", true}, {"jmap", webAddress, "", true}, {"jmap", webAddress, "/none", false},
		{"webdav", webAddress, "/dav", true}, {"webdav", webAddress, "/none", false}, {"jmap", imap, "", false},
		{"imap", "127.0.0.1:1", "", false}, {"gopher", imap, "", false},
	} {
		err := dial.Within(t.Context(), 5*time.Second, c.protocol, c.address, c.path)
		if (err == nil) != c.answers {
			t.Errorf("%s at %s%s: %v", c.protocol, c.address, c.path, err)
		}
	}
}

// startWatch runs the watch verb; tell sends a mark and returns the answer.
func startWatch(t *testing.T, targets []history.Target, dir string) (tell func(mark string) string, end func() int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "targets.json")
	text, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), []string{"watch", "-targets", file, "-log", dir, "-interval", "5ms"}, inRead, outWrite, os.Stderr)
	}()
	answers := bufio.NewReader(outRead)
	tell = func(mark string) string {
		t.Helper()
		if _, err := fmt.Fprintln(inWrite, mark); err != nil {
			t.Fatal(err)
		}
		answer, err := answers.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(answer)
	}
	return tell, func() int { _ = inWrite.Close(); return <-code }
}

// until waits for the log to have so many changes that answer, or do not.
func until(t *testing.T, dir string, answers bool, wanted int) {
	t.Helper()
	untilRecords(t, dir, wanted, func(r history.Record) bool { return r.Kind == history.KindChange && r.Answers == answers })
}

// untilLooked waits until every target was dialled again.
func untilLooked(t *testing.T, dir string) {
	t.Helper()
	is := func(r history.Record) bool { return r.Kind == history.KindLooked && r.Dials > 0 }
	records, err := history.Read(filepath.Join(dir, history.FileName))
	if err != nil {
		t.Fatal(err)
	}
	before := 0
	for _, r := range records {
		if is(r) {
			before++
		}
	}
	// The first of the two may tell of what was before.
	untilRecords(t, dir, before+2, is)
}

func untilRecords(t *testing.T, dir string, wanted int, is func(history.Record) bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		records, err := history.Read(filepath.Join(dir, history.FileName))
		count := 0
		for _, r := range records {
			if is(r) {
				count++
			}
		}
		if err == nil && count >= wanted {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatalf("the log never had %d of the records", wanted)
}

func verify(t *testing.T, dir string) (int, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"verify", "-blind", "15s", dir}, nil, &out, &errs)
	return code, out.String() + errs.String()
}

func TestAWatchedHandOverHoldsAndAGapIsFound(t *testing.T) {
	for _, gap := range []bool{false, true} {
		t.Run(fmt.Sprintf("gap=%v", gap), func(t *testing.T) {
			one, closeOne := serve(t, "127.0.0.1:0", "* OK ready\r\n")
			two, closeTwo := serve(t, "127.0.0.1:0", "* OK ready\r\n")
			closeTwo()
			dir := filepath.Join(t.TempDir(), "log")
			tell, end := startWatch(t, []history.Target{
				{Node: "node-1", Service: "imap", Address: one, Protocol: "imap"},
				{Node: "node-2", Service: "imap", Address: two, Protocol: "imap"},
			}, dir)
			until(t, dir, true, 1)
			until(t, dir, false, 1)
			if answer := tell(`{"mark": "floors", "counts": {"imap": 1}}`); answer != "ok" {
				t.Fatal(answer)
			}
			if answer := tell(`{"mark": "nonsense"}`); !strings.HasPrefix(answer, "refused") {
				t.Fatal(answer)
			}
			if gap {
				closeOne()
				until(t, dir, false, 2)
				untilLooked(t, dir) // long enough that no dial can miss it
			}
			_, closeTwo = serve(t, two, "* OK ready\r\n")
			until(t, dir, true, 2)
			if !gap {
				closeOne()
				until(t, dir, false, 2)
			}
			if code := end(); code != exitHeld {
				t.Fatalf("watch ended with %d", code)
			}
			closeTwo()
			code, out := verify(t, dir)
			if wanted := map[bool]int{false: exitHeld, true: exitBroken}[gap]; code != wanted {
				t.Errorf("verify ended with %d, wanted %d:\n%s", code, wanted, out)
			}
		})
	}
}

func TestALogThatIsMissingOrUsedProvesNothing(t *testing.T) {
	if code, out := verify(t, t.TempDir()); code != exitError {
		t.Errorf("verify of nothing ended with %d: %s", code, out)
	}
	dir := t.TempDir()
	log, err := history.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	if _, err := history.Create(dir); err == nil {
		t.Error("a log was begun twice in one folder")
	}
}
