package screen_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/cmd/internal/fakemember"
	"roster/cmd/internal/golden"
	"roster/cmd/internal/paint"
	"roster/cmd/internal/screen"
	"roster/cmd/internal/table"
	v1 "roster/proto/roster/v1"
)

func TestMain(m *testing.M) {
	if err := os.Setenv("TZ", "UTC"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

var terminal = screen.Size{Columns: 80, Lines: 40}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

func notes() []string {
	return []string{"The API listens on 127.0.0.1:7101, 127.0.0.1:7102, 127.0.0.1:7103.", "In a second shell: roster topology apply -f FILE, roster node cordon node-3. Ctrl-C ends it."}
}

func TestTenNodesReadWellInEightyColumns(t *testing.T) {
	frame := screen.Frame{Status: fakemember.Sample(), Events: fakemember.Events()[:1], Notes: notes()}
	golden.Compare(t, "testdata/sample.golden", text(screen.Render(frame, terminal, paint.Paint{})))
}

func TestTroubleStandsOut(t *testing.T) {
	frame := screen.Frame{Status: fakemember.Broken(), Events: fakemember.Events(), Notes: notes(), Trouble: "no member answers: 127.0.0.1:7101 refused the connection"}
	golden.Compare(t, "testdata/broken.golden", text(screen.Render(frame, terminal, paint.Paint{})))
}

func TestColoursTakeNoWidth(t *testing.T) {
	frame := screen.Frame{Status: fakemember.Broken(), Events: fakemember.Events(), Notes: notes()}
	plain := screen.Render(frame, terminal, paint.Paint{})
	painted := screen.Render(frame, terminal, paint.Always())
	if len(plain) != len(painted) {
		t.Fatalf("%d lines without colours, %d with", len(plain), len(painted))
	}
	for i := range plain {
		// The banner alone has spaces around it that plain text has not.
		if i > 0 && table.Width(plain[i]) != table.Width(painted[i]) {
			t.Errorf("line %d is %d columns wide without colours and %d with:\n%s\n%s", i, table.Width(plain[i]), table.Width(painted[i]), plain[i], painted[i])
		}
	}
}

// Bigger is the sample with so many nodes.
func bigger(nodes int) *v1.Status {
	s := fakemember.Sample()
	for i := 11; i <= nodes; i++ {
		zone := fmt.Sprintf("%c%d", 'a'+i%3, 1+i%2)
		s.Nodes = append(s.Nodes, &v1.NodeStatus{Id: fmt.Sprintf("node-%d", i), Region: zone[:1], Zone: zone, State: v1.NodeState_NODE_STATE_UP, Services: []string{"imap"}})
	}
	return s
}

func TestManyNodesAreTakenTogetherByZone(t *testing.T) {
	frame := screen.Frame{Status: bigger(500), Events: fakemember.Events(), Notes: notes()}
	golden.Compare(t, "testdata/zones.golden", text(screen.Render(frame, terminal, paint.Paint{})))
}

func TestNothingIsDrawnOutsideTheTerminal(t *testing.T) {
	for _, status := range []*v1.Status{nil, {}, fakemember.Sample(), fakemember.Broken(), bigger(500)} {
		for columns := 1; columns <= 130; columns += 7 {
			for lines := 1; lines <= 60; lines += 3 {
				frame := screen.Frame{Status: status, Events: fakemember.Events(), Notes: notes(), Trouble: "trouble"}
				got := screen.Render(frame, screen.Size{Columns: columns, Lines: lines}, paint.Always())
				if len(got) > lines {
					t.Fatalf("%d lines drawn on %d", len(got), lines)
				}
				for _, line := range got {
					if table.Width(line) > columns {
						t.Fatalf("a line of %d columns drawn on %d: %q", table.Width(line), columns, line)
					}
				}
			}
		}
	}
}

func TestWhatRestrainsRosterIsDrawnAboveTheNodes(t *testing.T) {
	s := fakemember.Sample()
	s.State = v1.StatusState_STATUS_STATE_FROZEN
	s.Freezes = []*v1.Freeze{{Scope: "zone:a1", Expires: timestamppb.New(fakemember.Began.Add(2 * time.Hour)), By: "roster://m/user/ann", Reason: "power test"}}
	s.Hold = &v1.Hold{Since: timestamppb.New(fakemember.Began), SilentCount: 4, Registered: 10}
	s.Sentences = []string{"zone:a1 is frozen."}
	s.Nodes[0].Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	s.Nodes[1].HandsOff = true
	s.Nodes[2].Drained, s.Nodes[2].Cordoned = true, true
	s.Nodes[3].Services, s.Nodes[3].Borrowed = []string{"imap", "jmap"}, []string{"imap"}
	s.Services["imap"].Nodes, s.Services["imap"].Borrowed = append(s.Services["imap"].Nodes, "node-4"), []string{"node-4"}
	got := screen.Render(screen.Frame{Status: s}, terminal, paint.Paint{})
	golden.Compare(t, "testdata/restrained.golden", text(got))
}

func TestWithoutATerminalEachChangeIsOneLine(t *testing.T) {
	var out strings.Builder
	s := screen.New(&out)
	defer func() { _ = s.Close() }() // draws nothing here
	draw := func(frame screen.Frame) {
		t.Helper()
		if err := s.Draw(frame); err != nil {
			t.Fatal(err)
		}
	}
	if s.InPlace() {
		t.Fatal("a string is taken for a terminal")
	}
	events := fakemember.Events()
	draw(screen.Frame{Status: fakemember.Sample(), Notes: []string{"The API listens on 127.0.0.1:7101."}, Events: events[:1]})
	draw(screen.Frame{Status: fakemember.Sample(), Notes: []string{"The API listens on 127.0.0.1:7101."}, Events: events[:1]})
	draw(screen.Frame{Status: fakemember.Broken(), Notes: []string{"The API listens on 127.0.0.1:7101."}, Events: events})
	draw(screen.Frame{Status: fakemember.Broken(), Notes: []string{"The API listens on 127.0.0.1:7101."}, Events: events[1:], Trouble: "no member answers"})
	golden.Compare(t, "testdata/lines.golden", out.String())
}
