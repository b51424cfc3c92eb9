package fsm

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	storev1 "roster/proto/roster/store/v1"
)

// The canonical encoding is our own, since protobuf's bytes are not stable
// between builds: the fields that are set, in order of their numbers, each as
// its number and its value; then 0. Numbers have eight bytes, texts and lists
// their length first, maps are sorted by key. Equal messages have equal
// encodings and different ones different, for ever.

func appendUint(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

func appendText(b []byte, s string) []byte { return append(appendUint(b, uint64(len(s))), s...) }

func appendCanonical(b []byte, m protoreflect.Message) []byte { return canon{}.append(b, m) }

// canon encodes canonically. A terse one leaves out what Apply says to people:
// sentences may be improved without members of two builds disagreeing.
type canon struct{ terse bool }

// sentences are the fields that Apply words itself.
var sentences = map[protoreflect.FullName]bool{
	"roster.v1.Event.message":             true,
	"roster.v1.Event.reason":              true,
	"roster.v1.ServiceReport.detail":      true,
	"roster.v1.Trouble.reason":            true,
	"roster.store.v1.Refusal.message":     true,
	"roster.store.v1.PartRefusal.message": true,
}

func (c canon) append(b []byte, m protoreflect.Message) []byte {
	for _, field := range fieldsByNumber(m.Descriptor()) {
		if c.terse && sentences[field.FullName()] {
			continue
		}
		if !m.Has(field) {
			continue
		}
		b = appendUint(b, uint64(field.Number()))
		value := m.Get(field)
		switch {
		case field.IsMap():
			b = c.appendMap(b, field, value.Map())
		case field.IsList():
			list := value.List()
			b = appendUint(b, uint64(list.Len()))
			for i := range list.Len() {
				b = c.appendValue(b, field.Kind(), list.Get(i))
			}
		default:
			b = c.appendValue(b, field.Kind(), value)
		}
	}
	return appendUint(b, 0)
}

func (c canon) appendMap(b []byte, field protoreflect.FieldDescriptor, m protoreflect.Map) []byte {
	type entry struct{ key, value []byte }
	entries := make([]entry, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		entries = append(entries, entry{
			key:   c.appendValue(nil, field.MapKey().Kind(), k.Value()),
			value: c.appendValue(nil, field.MapValue().Kind(), v),
		})
		return true
	})
	slices.SortFunc(entries, func(x, y entry) int { return slices.Compare(x.key, y.key) })
	b = appendUint(b, uint64(len(entries)))
	for _, e := range entries {
		b = append(append(b, e.key...), e.value...)
	}
	return b
}

func (c canon) appendValue(b []byte, kind protoreflect.Kind, v protoreflect.Value) []byte {
	switch kind {
	case protoreflect.BoolKind:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case protoreflect.EnumKind:
		return appendUint(b, uint64(int64(v.Enum())))
	case protoreflect.StringKind:
		return appendText(b, v.String())
	case protoreflect.BytesKind:
		return append(appendUint(b, uint64(len(v.Bytes()))), v.Bytes()...)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return c.append(b, v.Message())
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return appendUint(b, math.Float64bits(v.Float()))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return appendUint(b, v.Uint())
	default:
		return appendUint(b, uint64(v.Int()))
	}
}

var fieldCache sync.Map // protoreflect.FullName to []protoreflect.FieldDescriptor

func fieldsByNumber(d protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	if cached, ok := fieldCache.Load(d.FullName()); ok {
		return cached.([]protoreflect.FieldDescriptor)
	}
	fields := make([]protoreflect.FieldDescriptor, d.Fields().Len())
	for i := range fields {
		fields[i] = d.Fields().Get(i)
	}
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	fieldCache.Store(d.FullName(), fields)
	return fields
}

// digestCommand tells requests apart that share an id.
func digestCommand(c *storev1.Command) []byte {
	sum := sha256.Sum256(appendCanonical(make([]byte, 0, 512), c.ProtoReflect()))
	return sum[:]
}

// Hash is over everything that the state holds but the wording of sentences.
// Members at the same index and of the same schema have the same.
func (s *State) Hash() []byte {
	h := sha256.New()
	var buf []byte
	// The records of a snapshot are the state; see walk.
	_ = s.walk(func(r *storev1.SnapshotRecord) error {
		buf = canon{terse: true}.append(buf[:0], r.ProtoReflect())
		_, err := h.Write(buf)
		return err
	})
	return h.Sum(nil)
}
