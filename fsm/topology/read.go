package topology

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "roster/proto/roster/v1"
)

// reader walks a file's tree along the descriptor of the message that the file
// describes. It goes on after a fault, so that all are told at once.
type reader struct {
	source
	faults []*Error
}

func (r *reader) refuse(rule string, at position, message, mend string) {
	if len(r.faults) <= maxFaults {
		r.faults = append(r.faults, r.fault(rule, at, message, mend))
	}
}

// read returns the message that a file describes, and where each of its parts
// stands. It knows the form of the file, not what it means.
func read(fileName string, src []byte) (source, *v1.Topology, *place, error) {
	s, tree, fault := parseTree(fileName, src)
	if fault != nil {
		return s, nil, nil, fault
	}
	r := &reader{source: s}
	t := &v1.Topology{}
	at := &place{key: position{1, 1}, value: nodePosition(tree)}
	r.message(tree, t.ProtoReflect(), at)
	if err := join(r.faults); err != nil {
		return s, nil, nil, err
	}
	return s, t, at, nil
}

// message reads a mapping whose keys are the fields of a message.
func (r *reader) message(n ast.Node, m protoreflect.Message, at *place) {
	fields := m.Descriptor().Fields()
	r.mapping(n, "a mapping of keys to values", at, func(key written, value ast.Node, below *place) {
		field := fields.ByName(protoreflect.Name(key.text))
		if field == nil {
			r.unknownKey(m.Descriptor(), key)
			return
		}
		if one := field.ContainingOneof(); one != nil && !one.IsSynthetic() {
			if other := m.WhichOneof(one); other != nil {
				r.refuse(ruleOneSize, key.at, fmt.Sprintf("%s and %s are both set, and a %s has exactly one %s", other.Name(), key.text, messageName(m.Descriptor()), one.Name()),
					fmt.Sprintf("keep one of %s", fieldNames(one.Fields())))
				return
			}
		}
		r.field(value, m, field, below)
	})
}

// mapping calls take for each key of a mapping that may stand there. Keys are
// plain text, each once.
func (r *reader) mapping(n ast.Node, want string, at *place, take func(key written, value ast.Node, below *place)) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		r.wrongKind(n, want)
		return
	}
	seen := make(map[string]position, len(values))
	for _, v := range values {
		tk := v.Key.GetToken()
		if _, ok := v.Key.(ast.ScalarNode); !ok || tk == nil {
			r.refuse(ruleKind, nodePosition(v.Key), "a key must be one word", "see docs/topology.md for the keys that there are")
			continue
		}
		key := asWritten(v.Key, tk)
		if first, dup := seen[key.text]; dup {
			r.refuse(ruleKeyOnce, key.at, fmt.Sprintf("the key %s stands a second time; the first is in line %d", show(key.text), first.line), "keep one of the two")
			continue
		}
		seen[key.text] = key.at
		below := &place{key: key.at, value: nodePosition(v.Value)}
		at.field(key.text, below)
		take(key, v.Value, below)
	}
}

// list calls take for each entry of a list.
func (r *reader) list(n ast.Node, want string, at *place, take func(i int, entry ast.Node, below *place)) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrongKind(n, want)
		return
	}
	for i, entry := range seq.Values {
		start := nodePosition(entry)
		below := &place{key: start, value: start}
		at.items = append(at.items, below)
		take(i, entry, below)
	}
}

// field reads the value of one key into its field.
func (r *reader) field(n ast.Node, m protoreflect.Message, field protoreflect.FieldDescriptor, at *place) {
	switch {
	case field.IsMap():
		entries := m.Mutable(field).Map()
		r.mapping(n, "a mapping of labels to values", at, func(key written, value ast.Node, below *place) {
			if !r.asText(key) {
				return
			}
			if values, ok := r.labelValues(value, below); ok {
				entries.Set(protoreflect.ValueOfString(key.text).MapKey(), protoreflect.ValueOfMessage(values.ProtoReflect()))
			}
		})
	case field.IsList() && field.Kind() == protoreflect.MessageKind:
		entries := m.Mutable(field).List()
		r.list(n, "a list: each entry begins with `- `", at, func(_ int, entry ast.Node, below *place) {
			v := entries.NewElement()
			r.message(entry, v.Message(), below)
			entries.Append(v)
		})
	case field.IsList():
		entries := m.Mutable(field).List()
		r.list(n, "a list, as [a, b]", at, func(_ int, entry ast.Node, _ *place) {
			if text, ok := r.text(entry); ok {
				entries.Append(protoreflect.ValueOfString(text))
			}
		})
	case field.Kind() == protoreflect.MessageKind && !isScalarMessage(field.Message()):
		r.message(n, m.Mutable(field).Message(), at)
	default:
		if v, ok := r.scalar(n, field); ok {
			m.Set(field, v)
		}
	}
}

// labelValues reads one value or a list of them.
func (r *reader) labelValues(n ast.Node, at *place) (*v1.LabelValues, bool) {
	values := &v1.LabelValues{}
	if _, isList := n.(*ast.SequenceNode); !isList {
		text, ok := r.text(n)
		at.items = []*place{{key: at.key, value: at.value}}
		values.Values = []string{text}
		return values, ok
	}
	all := true
	r.list(n, "a list, as [a, b]", at, func(_ int, entry ast.Node, _ *place) {
		text, ok := r.text(entry)
		all = all && ok
		values.Values = append(values.Values, text)
	})
	return values, all
}

// wrongKind refuses a value of a kind that may not stand there.
func (r *reader) wrongKind(n ast.Node, want string) {
	mend := "see docs/topology.md for the shape of the file"
	var have string
	switch n := n.(type) {
	case *ast.NullNode:
		have, mend = "nothing", "write the value, or take the key away"
	case *ast.MappingNode, *ast.MappingValueNode:
		have = "a mapping"
	case *ast.SequenceNode:
		have = "a list"
	default:
		have = show(n.GetToken().Value)
		if strings.HasPrefix(want, "a list, as") {
			mend = fmt.Sprintf("write [%s]", n.GetToken().Value)
		}
	}
	r.refuse(ruleKind, nodePosition(n), fmt.Sprintf("here stands %s; this takes %s", have, want), mend)
}

// isScalarMessage reports whether a message is written as one value.
func isScalarMessage(d protoreflect.MessageDescriptor) bool {
	switch d.FullName() {
	case durationName, percentName:
		return true
	}
	return false
}

var (
	durationName = protoreflect.FullName("google.protobuf.Duration")
	percentName  = (&v1.Percent{}).ProtoReflect().Descriptor().FullName()
)
