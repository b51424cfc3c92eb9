package screen

import (
	"fmt"
	"strings"
	"testing"

	"roster/cmd/internal/fakemember"
	v1 "roster/proto/roster/v1"
)

// vt is as much of a terminal as the screen uses, endless downwards.
type vt struct {
	rows   [][]rune
	x, y   int
	hidden bool
}

func (v *vt) Write(text []byte) (int, error) {
	runes := []rune(string(text))
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; r {
		case '\r':
			v.x = 0
		case '\n':
			v.y++
		case '\x1b':
			end := i + 2
			for !strings.ContainsRune("ABCDEFGHJKmhl", runes[end]) {
				end++
			}
			v.control(string(runes[i+2:end]), runes[end])
			i = end
		default:
			v.put(r)
		}
	}
	return len(text), nil
}

func (v *vt) control(arguments string, command rune) {
	v.put(0)
	v.x--
	switch command {
	case 'A':
		up := 0
		_, _ = fmt.Sscan(arguments, &up) // no number: 0
		v.y = max(0, v.y-up)
	case 'K':
		v.rows[v.y] = v.rows[v.y][:min(v.x, len(v.rows[v.y]))]
	case 'J':
		v.rows[v.y] = v.rows[v.y][:min(v.x, len(v.rows[v.y]))]
		v.rows = v.rows[:v.y+1]
	case 'h', 'l':
		if arguments == "?25" {
			v.hidden = command == 'l'
		}
	}
}

// put writes a rune at the cursor; 0 only makes the place exist.
func (v *vt) put(r rune) {
	for len(v.rows) <= v.y {
		v.rows = append(v.rows, nil)
	}
	for len(v.rows[v.y]) < v.x {
		v.rows[v.y] = append(v.rows[v.y], ' ')
	}
	if r != 0 {
		v.rows[v.y] = append(v.rows[v.y][:v.x], append([]rune{r}, v.rows[v.y][min(v.x+1, len(v.rows[v.y])):]...)...)
	}
	v.x++
}

func (v *vt) text() string {
	var lines []string
	for _, row := range v.rows {
		lines = append(lines, strings.TrimRight(string(row), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func TestEachFrameReplacesTheOneBefore(t *testing.T) {
	terminal := &vt{}
	fmt.Fprint(terminal, "what was there before\r\n")
	s := &Screen{out: terminal, terminal: true}
	frames := []Frame{
		{Status: fakemember.Sample(), Events: fakemember.Events(), Notes: []string{"a note"}},
		{Status: fakemember.Broken(), Events: fakemember.Events()},
		{Status: &v1.Status{}},
		{Status: fakemember.Sample(), Trouble: "no member answers"},
	}
	for i, frame := range frames {
		if err := s.Draw(frame); err != nil {
			t.Fatal(err)
		}
		if !terminal.hidden {
			t.Error("the cursor is shown while frames are drawn")
		}
		var want []string
		for _, line := range Render(frame, s.size(), s.paint) {
			want = append(want, strings.TrimRight(line, " "))
		}
		if got := terminal.text(); got != strings.TrimRight("what was there before\n"+strings.Join(want, "\n"), "\n") {
			t.Fatalf("after frame %d the terminal shows\n%s\nnot\n%s", i, got, strings.Join(want, "\n"))
		}
	}
	before := terminal.text()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if terminal.hidden {
		t.Error("the cursor stays hidden after Close")
	}
	if terminal.text() != before {
		t.Error("Close takes the last frame away")
	}
}

func TestTheLastStatusStaysWhereNoneCouldBeRead(t *testing.T) {
	terminal := &vt{}
	s := &Screen{out: terminal, terminal: true}
	for _, frame := range []Frame{{Status: fakemember.Sample()}, {Trouble: "no member answers"}} {
		if err := s.Draw(frame); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"node-10", "no member answers"} {
		if !strings.Contains(terminal.text(), want) {
			t.Errorf("the terminal does not show %q:\n%s", want, terminal.text())
		}
	}
}
