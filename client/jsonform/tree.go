package jsonform

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// ErrUnprintable says that a value has no JSON form.
var ErrUnprintable = errors.New("value has no JSON form")

// object is a message or a map, in the order of its output. A tree is made of
// object, []any, string, bool, number and nil.
type object []field

type field struct {
	key   string
	value any
}

// number is a number's text.
type number string

// tree is the form of a message.
func tree(m protoreflect.Message) (any, error) {
	if !m.IsValid() {
		return nil, nil
	}
	if special, ok := specials[m.Descriptor().FullName()]; ok {
		return special(m)
	}
	fields := m.Descriptor().Fields()
	out := make(object, 0, fields.Len())
	for i := range fields.Len() {
		fd := fields.Get(i)
		v, err := fieldTree(m, fd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fd.Name(), err)
		}
		out = append(out, field{string(fd.Name()), v})
	}
	return out, nil
}

func fieldTree(m protoreflect.Message, fd protoreflect.FieldDescriptor) (any, error) {
	switch {
	case fd.IsMap():
		return mapTree(m.Get(fd).Map(), fd.MapValue())
	case fd.IsList():
		list := m.Get(fd).List()
		out := make([]any, list.Len())
		for i := range out {
			v, err := valueTree(list.Get(i), fd)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			out[i] = v
		}
		return out, nil
	case fd.HasPresence() && !m.Has(fd):
		return nil, nil
	}
	return valueTree(m.Get(fd), fd)
}

func mapTree(m protoreflect.Map, value protoreflect.FieldDescriptor) (any, error) {
	keys := make([]protoreflect.MapKey, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, compareKeys)
	out := make(object, 0, len(keys))
	for _, k := range keys {
		v, err := valueTree(m.Get(k), value)
		if err != nil {
			return nil, fmt.Errorf("[%s]: %w", k, err)
		}
		if !utf8.ValidString(k.String()) {
			return nil, fmt.Errorf("[%q]: %w: key is not UTF-8", k.String(), ErrUnprintable)
		}
		out = append(out, field{k.String(), v})
	}
	return out, nil
}

// compareKeys sorts numbers as numbers.
func compareKeys(a, b protoreflect.MapKey) int {
	switch x := a.Interface().(type) {
	case string:
		return strings.Compare(x, b.String())
	case bool:
		return strings.Compare(a.String(), b.String())
	case int32, int64:
		return cmpInt(a.Int(), b.Int())
	default:
		return cmpInt(a.Uint(), b.Uint())
	}
}

func cmpInt[T int64 | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func valueTree(v protoreflect.Value, fd protoreflect.FieldDescriptor) (any, error) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return tree(v.Message())
	case protoreflect.EnumKind:
		return enumWord(fd.Enum(), v.Enum()), nil
	case protoreflect.BoolKind:
		return v.Bool(), nil
	case protoreflect.StringKind:
		if !utf8.ValidString(v.String()) {
			return nil, fmt.Errorf("%w: string %q is not UTF-8", ErrUnprintable, v.String())
		}
		return v.String(), nil
	case protoreflect.BytesKind:
		return bytesText(v.Bytes()), nil
	case protoreflect.FloatKind:
		return floatNumber(v.Float(), 32)
	case protoreflect.DoubleKind:
		return floatNumber(v.Float(), 64)
	}
	return number(v.String()), nil
}

func bytesText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(b)
}

func floatNumber(f float64, bits int) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%w: %v is not a number of JSON", ErrUnprintable, f)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return number(strconv.FormatFloat(f, format, -1, bits)), nil
}

// enumWord is the value's name without the enum's prefix: NODE_STATE_UP of
// NodeState is up.
func enumWord(ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	vd := ed.Values().ByNumber(n)
	if vd == nil {
		return "unknown_" + strconv.Itoa(int(n))
	}
	return strings.ToLower(strings.TrimPrefix(string(vd.Name()), enumPrefix(string(ed.Name()))))
}

// enumPrefix is NODE_STATE_ for NodeState.
func enumPrefix(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String()) + "_"
}

// specials are the messages that stand for one value.
var specials = map[protoreflect.FullName]func(protoreflect.Message) (any, error){
	"google.protobuf.Duration":  as(durationText),
	"google.protobuf.Timestamp": as(timeText),
	"roster.v1.Percent": as(func(p *v1.Percent) (any, error) {
		return strconv.FormatUint(uint64(p.GetValue()), 10) + "%", nil
	}),
	"roster.v1.LabelValues": as(func(l *v1.LabelValues) (any, error) {
		out := make([]any, len(l.GetValues()))
		for i, v := range l.GetValues() {
			if !utf8.ValidString(v) {
				return nil, fmt.Errorf("%w: string %q is not UTF-8", ErrUnprintable, v)
			}
			out[i] = v
		}
		return out, nil
	}),
}

// as gives the function its own type of message, also where the message was
// built from a descriptor alone.
func as[M proto.Message](f func(M) (any, error)) func(protoreflect.Message) (any, error) {
	return func(m protoreflect.Message) (any, error) {
		if own, ok := m.Interface().(M); ok {
			return f(own)
		}
		var own M
		own = own.ProtoReflect().New().Interface().(M)
		data, err := proto.Marshal(m.Interface())
		if err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(data, own); err != nil {
			return nil, err
		}
		return f(own)
	}
}

// durationText is a duration as in a topology file: 10s, 10m, 1h30m, 1.5s.
func durationText(d *durationpb.Duration) (any, error) {
	if err := d.CheckValid(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnprintable, err)
	}
	t := d.AsDuration()
	if t == math.MaxInt64 || t == math.MinInt64 {
		return nil, fmt.Errorf("%w: duration of %d s is too long", ErrUnprintable, d.GetSeconds())
	}
	return Duration(t), nil
}

// Duration writes a duration as in a topology file, without the zero units that
// time.Duration adds: 10m, not 10m0s.
func Duration(t time.Duration) string {
	s := t.String()
	if t%time.Minute == 0 && t != 0 {
		s = strings.TrimSuffix(s, "0s")
		if t%time.Hour == 0 {
			s = strings.TrimSuffix(s, "0m")
		}
	}
	return s
}

func timeText(t *timestamppb.Timestamp) (any, error) {
	if err := t.CheckValid(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnprintable, err)
	}
	return t.AsTime().UTC().Format(time.RFC3339Nano), nil
}
