package table_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"roster/cmd/internal/paint"
	"roster/cmd/internal/table"
)

func drawn(t *testing.T, tab *table.Table) string {
	t.Helper()
	var out strings.Builder
	if _, err := tab.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestColumnsAreAsWideAsTheirWidestCell(t *testing.T) {
	tab := table.New("NAME", ">COUNT", "WHY")
	tab.Row("a", "1", "short")
	tab.Row("größer", "100", "")
	tab.Row("b")
	want := "NAME    COUNT  WHY\n" +
		"a           1  short\n" +
		"größer    100\n" +
		"b\n"
	if got := drawn(t, tab); got != want {
		t.Errorf("drawn as\n%s\nnot\n%s", got, want)
	}
}

func TestColoursDoNotMoveColumns(t *testing.T) {
	plain, painted := table.New("A", "B"), table.New("A", "B")
	for _, p := range []struct {
		tab   *table.Table
		paint paint.Paint
	}{{plain, paint.Paint{}}, {painted, paint.Always()}} {
		p.tab.Row(table.Paint(p.paint.Good, "up"), "x")
		p.tab.Row(table.Paint(p.paint.Bad, "suspect"), "y")
	}
	strip := strings.NewReplacer("\x1b[32m", "", "\x1b[31m", "", "\x1b[0m", "")
	if got, want := strip.Replace(drawn(t, painted)), drawn(t, plain); got != want {
		t.Errorf("with colours\n%s\nwithout\n%s", got, want)
	}
}

func TestALongLastColumnIsWrappedUnderItself(t *testing.T) {
	tab := table.New("NODE", "WHY")
	tab.Width = 34
	tab.Row("node-1", "the pool wants one node more than it has")
	want := "NODE    WHY\n" +
		"node-1  the pool wants one node\n" +
		"        more than it has\n"
	if got := drawn(t, tab); got != want {
		t.Errorf("drawn as\n%s\nnot\n%s", got, want)
	}
}

func TestAnEmptyTableWritesNothing(t *testing.T) {
	if got := drawn(t, table.New("A")); got != "" {
		t.Errorf("it wrote %q", got)
	}
}

func TestNothingCutIsWiderThanAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab ä●…"))).Draw(t, "text")
		if rapid.Bool().Draw(t, "painted") {
			text = paint.Always().Good(text) + text
		}
		width := rapid.IntRange(1, 12).Draw(t, "width")
		cut := table.Cut(text, width)
		if table.Width(cut) > width {
			t.Fatalf("%q is %d wide, not %d", cut, table.Width(cut), width)
		}
		if table.Width(text) <= width && cut != text {
			t.Fatalf("%q fits and became %q", text, cut)
		}
		if strings.Contains(cut, "\x1b[32m") && !strings.Contains(cut, "\x1b[0m") {
			t.Fatalf("%q does not end its colour", cut)
		}
	})
}

func TestWrappingLosesNoWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,9}`), 0, 12).Draw(t, "words")
		width := rapid.IntRange(1, 30).Draw(t, "width")
		lines := table.Wrap(strings.Join(words, " "), width)
		if got := strings.Join(lines, " "); got != strings.Join(words, " ") {
			t.Fatalf("%q became %q", words, got)
		}
		for _, line := range lines {
			if len(line) > width && strings.Contains(line, " ") {
				t.Fatalf("%q is wider than %d and could be broken", line, width)
			}
		}
	})
}
