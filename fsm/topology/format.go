package topology

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

// Format writes a topology as a file; Parse reads it back to an equal message.
// Keys stand in the order of the schema, and only those that are set.
func Format(t *v1.Topology) []byte {
	var b strings.Builder
	if t != nil {
		writeBlock(&b, t.ProtoReflect(), "")
	}
	return []byte(b.String())
}

// writeBlock writes a message as a mapping, a key to a line.
func writeBlock(b *strings.Builder, m protoreflect.Message, indent string) {
	first := true
	for field := range setFields(m) {
		if !first {
			b.WriteString(indent)
		}
		first = false
		v := m.Get(field)
		switch {
		case field.IsList() && field.Kind() == protoreflect.MessageKind:
			fmt.Fprintf(b, "%s:\n", field.Name())
			for i := range v.List().Len() {
				b.WriteString(indent + "  - ")
				writeEntry(b, v.List().Get(i).Message(), indent+"    ")
			}
		case field.Message() != nil && !field.IsMap() && !isScalarMessage(field.Message()) && !isEmpty(v.Message()):
			fmt.Fprintf(b, "%s:\n%s  ", field.Name(), indent)
			writeBlock(b, v.Message(), indent+"  ")
		default:
			fmt.Fprintf(b, "%s: %s\n", field.Name(), flow(field, v))
		}
	}
}

// writeEntry writes a message as an entry of a list.
func writeEntry(b *strings.Builder, m protoreflect.Message, indent string) {
	if isEmpty(m) {
		b.WriteString("{}\n")
		return
	}
	writeBlock(b, m, indent)
}

// setFields yields the fields of a message that are set, in the order of the
// schema.
func setFields(m protoreflect.Message) func(yield func(protoreflect.FieldDescriptor) bool) {
	fields := m.Descriptor().Fields()
	return func(yield func(protoreflect.FieldDescriptor) bool) {
		for i := range fields.Len() {
			if field := fields.Get(i); m.Has(field) && !yield(field) {
				return
			}
		}
	}
}

func isEmpty(m protoreflect.Message) bool {
	for range setFields(m) {
		return false
	}
	return true
}

// flow writes a field's value on one line.
func flow(field protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case field.IsMap():
		entries := make(map[string]string)
		v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
			entries[key.String()] = flowOne(field.MapValue(), value)
			return true
		})
		parts := make([]string, 0, len(entries))
		for _, key := range sortedKeys(entries) {
			parts = append(parts, quote(key)+": "+entries[key])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case field.IsList():
		parts := make([]string, v.List().Len())
		for i := range parts {
			parts[i] = flowOne(field, v.List().Get(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return flowOne(field, v)
}

// flowOne writes one value, or one entry of a list or mapping.
func flowOne(field protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch field.Kind() {
	case protoreflect.StringKind:
		return quote(v.String())
	case protoreflect.EnumKind:
		words := enumWords(field.Enum())
		for i, word := range words {
			if field.Enum().Values().Get(i+1).Number() == v.Enum() {
				return quote(word)
			}
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.MessageKind:
		switch m := v.Message().Interface().(type) {
		case *durationpb.Duration:
			return formatDuration(m)
		case *v1.Percent:
			return fmt.Sprintf("%d%%", m.GetValue())
		case *v1.LabelValues:
			if len(m.GetValues()) == 1 {
				return quote(m.GetValues()[0])
			}
			parts := make([]string, len(m.GetValues()))
			for i, value := range m.GetValues() {
				parts[i] = quote(value)
			}
			return "[" + strings.Join(parts, ", ") + "]"
		default:
			return flowMessage(v.Message())
		}
	}
	return v.String()
}

// flowMessage writes a message on one line, as a difference shows it.
func flowMessage(m protoreflect.Message) string {
	var parts []string
	for field := range setFields(m) {
		parts = append(parts, string(field.Name())+": "+flow(field, m.Get(field)))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// bareWord is text that needs no quotes anywhere in a file.
var bareWord = regexp.MustCompile(`^[A-Za-z0-9_./][A-Za-z0-9_./-]*$`)

// quote writes text, in quotes where YAML could read it as something else.
func quote(text string) string {
	if bareWord.MatchString(text) && taken(text) == "" && text != "." && text != ".." && text != "..." {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || forbidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
