package jsonform

import (
	"fmt"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/proto"
)

// MarshalYAML writes the same form as YAML, with a line end.
func MarshalYAML(m proto.Message) ([]byte, error) {
	t, err := treeOf(m)
	if err != nil {
		return nil, err
	}
	out, err := yaml.MarshalWithOptions(yamlValue(t), yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		return nil, fmt.Errorf("print %s as YAML: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return out, nil
}

func yamlValue(v any) any {
	switch v := v.(type) {
	case object:
		out := make(yaml.MapSlice, len(v))
		for i, f := range v {
			out[i] = yaml.MapItem{Key: f.key, Value: yamlValue(f.value)}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = yamlValue(e)
		}
		return out
	case number:
		return yamlNumber(v)
	}
	return v
}

// yamlNumber is written as its text stands.
type yamlNumber string

// MarshalYAML writes the number bare.
func (n yamlNumber) MarshalYAML() ([]byte, error) { return []byte(n), nil }
