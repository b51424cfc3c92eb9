// Package table owns aligned columns for people. It knows no messages. A Table
// belongs to one goroutine.
package table

import (
	"io"
	"strings"
	"unicode/utf8"
)

// gap stands between columns.
const gap = "  "

// Table is rows under a head, each column as wide as its widest cell.
type Table struct {
	// Indent stands before every line.
	Indent string
	// Head paints the head; nil leaves it plain.
	Head func(string) string
	// Width is where lines end; the last column is wrapped to fit, under
	// itself. 0: lines may have any length.
	Width int

	columns []string
	right   []bool
	rows    [][]cell
}

type cell struct {
	text  string
	style func(string) string
}

// New is a table with these columns. A name that begins with `>` is a column
// of numbers, which stand to the right.
func New(columns ...string) *Table {
	t := &Table{}
	for _, column := range columns {
		name, right := strings.CutPrefix(column, ">")
		t.columns = append(t.columns, name)
		t.right = append(t.right, right)
	}
	return t
}

// Row adds a line; cells that are missing are empty. A cell is a string or a
// Styled.
func (t *Table) Row(cells ...any) {
	row := make([]cell, len(t.columns))
	for i, value := range cells {
		switch value := value.(type) {
		case string:
			row[i] = cell{text: value}
		case Styled:
			row[i] = cell(value)
		}
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Styled is a cell that is painted after it was measured.
type Styled struct {
	text  string
	style func(string) string
}

// Paint is a cell in a style.
func Paint(style func(string) string, text string) Styled {
	return Styled{text: text, style: style}
}

// WriteTo writes the table; an empty one writes nothing.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	written, err := io.WriteString(w, t.String())
	return int64(written), err
}

// String is the table's lines; an empty one has none.
func (t *Table) String() string {
	if len(t.rows) == 0 {
		return ""
	}
	widths := make([]int, len(t.columns))
	head := make([]cell, len(t.columns))
	for i, column := range t.columns {
		head[i] = cell{text: column, style: t.Head}
		widths[i] = Width(column)
		for _, row := range t.rows {
			widths[i] = max(widths[i], Width(row[i].text))
		}
	}
	var out strings.Builder
	t.line(&out, widths, head)
	for _, row := range t.rows {
		t.line(&out, widths, row)
	}
	return out.String()
}

func (t *Table) line(out *strings.Builder, widths []int, row []cell) {
	last := len(row) - 1
	before := Width(t.Indent)
	for i := range last {
		before += widths[i] + len(gap)
	}
	parts := []string{row[last].text}
	if t.Width > 0 && t.Width-before >= 20 {
		parts = Wrap(row[last].text, t.Width-before)
	}

	var line strings.Builder
	line.WriteString(t.Indent)
	for i := range last {
		t.pad(&line, row[i], widths[i], t.right[i])
		line.WriteString(gap)
	}
	for n, part := range parts {
		if n > 0 {
			line.WriteString(strings.Repeat(" ", before))
		}
		t.pad(&line, cell{text: part, style: row[last].style}, widths[last], t.right[last])
		out.WriteString(strings.TrimRight(line.String(), " "))
		out.WriteByte('\n')
		line.Reset()
	}
}

func (t *Table) pad(line *strings.Builder, c cell, width int, right bool) {
	spaces := strings.Repeat(" ", max(0, width-Width(c.text)))
	if right {
		line.WriteString(spaces)
	}
	if c.style != nil && c.text != "" {
		line.WriteString(c.style(c.text))
	} else {
		line.WriteString(c.text)
	}
	if !right {
		line.WriteString(spaces)
	}
}

// Width is how many columns a text takes on a terminal; every rune counts as
// one, escape sequences as none.
func Width(text string) int {
	width := 0
	for i := 0; i < len(text); {
		if end := escape(text[i:]); end > 0 {
			i += end
			continue
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
		width++
	}
	return width
}

// Cut shortens a text to a width, escape sequences left whole.
func Cut(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	var out strings.Builder
	room, styled := width-1, false
	for i := 0; i < len(text); {
		if end := escape(text[i:]); end > 0 {
			out.WriteString(text[i : i+end])
			styled = text[i:i+end] != reset
			i += end
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if room <= 0 {
			break
		}
		out.WriteRune(r)
		room--
	}
	if width > 0 {
		out.WriteString("…")
	}
	if styled {
		out.WriteString(reset)
	}
	return out.String()
}

const reset = "\x1b[0m"

// escape is the length of the escape sequence that a text begins with.
func escape(text string) int {
	if !strings.HasPrefix(text, "\x1b[") {
		return 0
	}
	if end := strings.IndexByte(text, 'm'); end > 0 {
		return end + 1
	}
	return 0
}

// Wrap breaks a text at spaces into lines of a width; a longer word stays
// whole.
func Wrap(text string, width int) []string {
	var lines []string
	var line strings.Builder
	room := 0
	for _, word := range strings.Fields(text) {
		size := Width(word)
		if line.Len() > 0 && size+1 > room {
			lines = append(lines, line.String())
			line.Reset()
		}
		if line.Len() == 0 {
			room = width - size
		} else {
			line.WriteByte(' ')
			room -= size + 1
		}
		line.WriteString(word)
	}
	return append(lines, line.String())
}
