// Package output owns the three forms of an answer: a table for people, JSON
// and YAML for scripts. It knows no verbs. Values without state, safe from any
// goroutine.
package output

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"roster/client/jsonform"
)

// Format is the form of an answer. It is a flag's value.
type Format string

// The forms.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Formats are the words that the flag takes.
func Formats() []string { return []string{string(Table), string(JSON), string(YAML)} }

// String is the word.
func (f *Format) String() string { return string(*f) }

// Type is what help calls the value.
func (f *Format) Type() string { return "form" }

// Set reads the word.
func (f *Format) Set(text string) error {
	if !slices.Contains(Formats(), text) {
		return fmt.Errorf("the forms are %s", strings.Join(Formats(), ", "))
	}
	*f = Format(text)
	return nil
}

// Print writes the message in the form; table draws it for people.
func Print(w io.Writer, format Format, message proto.Message, table func() error) error {
	switch format {
	case JSON:
		text, err := jsonform.Marshal(message)
		if err != nil {
			return fmt.Errorf("print as JSON: %w", err)
		}
		return line(w, text)
	case YAML:
		text, err := jsonform.MarshalYAML(message)
		if err != nil {
			return fmt.Errorf("print as YAML: %w", err)
		}
		return line(w, text)
	default:
		return table()
	}
}

// PrintDocument is Print for an answer whose messages are one document: the
// fields of all of them, those of the first one first.
func PrintDocument(w io.Writer, format Format, table func() error, messages ...proto.Message) error {
	var text []byte
	var err error
	switch format {
	case JSON:
		text, err = jsonform.MarshalDocument(messages...)
	case YAML:
		text, err = jsonform.MarshalDocumentYAML(messages...)
	default:
		return table()
	}
	if err != nil {
		return fmt.Errorf("print as %s: %w", strings.ToUpper(string(format)), err)
	}
	return line(w, text)
}

// Line writes the message as JSON in one line, for streams.
func Line(w io.Writer, message proto.Message) error {
	text, err := jsonform.MarshalCompact(message)
	if err != nil {
		return fmt.Errorf("print as JSON: %w", err)
	}
	return line(w, text)
}

func line(w io.Writer, text []byte) error {
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	_, err := w.Write(text)
	return err
}
