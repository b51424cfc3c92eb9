package jsonform

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Marshal writes a message as JSON, indented by two spaces, without a line end.
func Marshal(m proto.Message) ([]byte, error) {
	t, err := treeOf(m)
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, t, "\n"), nil
}

// MarshalCompact writes a message as JSON on one line, without a line end: for
// streams of messages, one a line.
func MarshalCompact(m proto.Message) ([]byte, error) {
	t, err := treeOf(m)
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, t, ""), nil
}

func treeOf(m proto.Message) (any, error) {
	if m == nil {
		return nil, nil
	}
	r := m.ProtoReflect()
	t, err := tree(r)
	if err != nil {
		return nil, fmt.Errorf("print %s: %w", r.Descriptor().Name(), err)
	}
	return t, nil
}

// appendJSON writes a tree. newline is a line end and the indent so far; empty:
// everything on one line.
func appendJSON(b []byte, v any, newline string) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		if v {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case number:
		return append(b, v...)
	case string:
		return appendString(b, v)
	case []any:
		return appendGroup(b, '[', ']', len(v), newline, func(b []byte, i int, inner string) []byte {
			return appendJSON(b, v[i], inner)
		})
	case object:
		return appendGroup(b, '{', '}', len(v), newline, func(b []byte, i int, inner string) []byte {
			b = append(appendString(b, v[i].key), ':')
			if inner != "" {
				b = append(b, ' ')
			}
			return appendJSON(b, v[i].value, inner)
		})
	}
	panic(fmt.Sprintf("jsonform: %T in a tree", v))
}

func appendGroup(b []byte, opening, closing byte, n int, newline string, element func([]byte, int, string) []byte) []byte {
	b = append(b, opening)
	if n == 0 {
		return append(b, closing)
	}
	inner := newline
	if newline != "" {
		inner += "  "
	}
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(append(b, inner...), i, inner)
	}
	return append(append(b, newline...), closing)
}

// appendString quotes a string. <, > and & stay readable: this is not HTML.
func appendString(b []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(fmt.Sprintf("jsonform: encode a string: %v", err))
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}
