package jsonform

import (
	"slices"

	"google.golang.org/protobuf/proto"
)

// MarshalDocument writes messages as one JSON object, indented by two spaces,
// without a line end: the fields of the first, then those of the next. A key
// that stands there already is not repeated.
func MarshalDocument(messages ...proto.Message) ([]byte, error) {
	t, err := documentOf(messages)
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, t, "\n"), nil
}

// MarshalDocumentYAML writes the same document as YAML, with a line end.
func MarshalDocumentYAML(messages ...proto.Message) ([]byte, error) {
	t, err := documentOf(messages)
	if err != nil {
		return nil, err
	}
	return appendBlock(nil, t, "", false), nil
}

func documentOf(messages []proto.Message) (object, error) {
	var all object
	for _, m := range messages {
		t, err := treeOf(m)
		if err != nil {
			return nil, err
		}
		fields, _ := t.(object) // a message that is none has no fields
		for _, f := range fields {
			if !slices.ContainsFunc(all, func(known field) bool { return known.key == f.key }) {
				all = append(all, f)
			}
		}
	}
	return all, nil
}
