package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"roster/client/jsonform"
)

// marshaler writes the JSON of the CLI, and reads the JSON of protobuf, strictly:
// what is misspelt would else be left out without a word.
type marshaler struct{}

var _ runtime.Marshaler = marshaler{}

// ContentType implements runtime.Marshaler.
func (marshaler) ContentType(any) string { return "application/json" }

// Marshal implements runtime.Marshaler.
func (marshaler) Marshal(v any) ([]byte, error) {
	if m, ok := v.(proto.Message); ok {
		b, err := jsonform.Marshal(m)
		return append(b, '\n'), err
	}
	// A stream's message comes as {"result": message}, on a line of its own.
	if wrapped, ok := v.(map[string]proto.Message); ok {
		if m := wrapped["result"]; m != nil {
			b, err := jsonform.MarshalCompact(m)
			return b, err
		}
	}
	if wrapped, ok := v.(map[string]any); ok {
		if m, ok := wrapped["result"].(proto.Message); ok {
			return jsonform.MarshalCompact(m)
		}
	}
	return json.Marshal(v)
}

// Unmarshal implements runtime.Marshaler.
func (marshaler) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("read JSON into %T", v)
	}
	if len(data) == 0 {
		return errors.New("the body is empty: send a JSON object, {} at least")
	}
	return protojson.Unmarshal(data, m)
}

// NewDecoder implements runtime.Marshaler. A body is one object.
func (m marshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return m.Unmarshal(data, v)
	})
}

// NewEncoder implements runtime.Marshaler.
func (m marshaler) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		data, err := m.Marshal(v)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
}

// Delimiter implements runtime.Delimited: a message a line.
func (marshaler) Delimiter() []byte { return []byte("\n") }
