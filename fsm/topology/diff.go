package topology

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "roster/proto/roster/v1"
)

// Diff lists what differs, key by key in the order of the schema; nil is a
// topology that does not exist. Pools and services are compared by name, and
// one that is new or gone is one difference. It is empty for equal topologies
// and only for them.
func Diff(before, after *v1.Topology) []*v1.TopologyChange {
	if before == nil {
		before = &v1.Topology{}
	}
	if after == nil {
		after = &v1.Topology{}
	}
	var d differences
	d.message("", before.ProtoReflect(), after.ProtoReflect())
	return d
}

type differences []*v1.TopologyChange

func (d *differences) add(at, before, after string) {
	if before != after {
		*d = append(*d, &v1.TopologyChange{Path: at, Before: before, After: after})
	}
}

func (d *differences) message(at string, before, after protoreflect.Message) {
	fields := before.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		path := below(at, string(field.Name()))
		x, y := before.Get(field), after.Get(field)
		switch {
		case isNamedList(field):
			d.named(path, field, x.List(), y.List())
		case field.IsMap():
			d.labels(path, field, x.Map(), y.Map())
		case field.Message() != nil && !field.IsList() && !isScalarMessage(field.Message()) && before.Has(field) && after.Has(field):
			d.message(path, x.Message(), y.Message())
		default:
			d.add(path, textOf(before, field), textOf(after, field))
		}
	}
}

// textOf writes a field's value; empty: it is absent.
func textOf(m protoreflect.Message, field protoreflect.FieldDescriptor) string {
	if !m.Has(field) {
		return ""
	}
	return flow(field, m.Get(field))
}

// named compares lists of pools or of services.
func (d *differences) named(at string, field protoreflect.FieldDescriptor, before, after protoreflect.List) {
	old, fresh := byName(before), byName(after)
	for _, name := range old.names {
		if _, kept := fresh.of[name]; !kept {
			d.add(below(at, name), flowMessage(old.of[name]), "")
		}
	}
	for _, name := range fresh.names {
		if was, kept := old.of[name]; kept {
			d.message(below(at, name), was, fresh.of[name])
		} else {
			d.add(below(at, name), "", flowMessage(fresh.of[name]))
		}
	}
	// The order of the file decides between equals, so it is a difference too.
	kept := func(names []string, other map[string]protoreflect.Message) string {
		return "[" + strings.Join(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return other[n] == nil }), ", ") + "]"
	}
	d.add(at, kept(old.names, fresh.of), kept(fresh.names, old.of))
}

type namedMessages struct {
	names []string
	of    map[string]protoreflect.Message
}

func byName(list protoreflect.List) namedMessages {
	n := namedMessages{of: make(map[string]protoreflect.Message)}
	for i := range list.Len() {
		m := list.Get(i).Message()
		name := m.Get(m.Descriptor().Fields().ByName("name")).String()
		n.names = append(n.names, name)
		n.of[name] = m
	}
	return n
}

func isNamedList(field protoreflect.FieldDescriptor) bool {
	return field.IsList() && field.Message() != nil && field.Message().Fields().ByName("name") != nil
}

// labels compares mappings of labels, label by label.
func (d *differences) labels(at string, field protoreflect.FieldDescriptor, before, after protoreflect.Map) {
	keys := make(map[string]bool)
	for _, m := range []protoreflect.Map{before, after} {
		m.Range(func(key protoreflect.MapKey, _ protoreflect.Value) bool {
			keys[key.String()] = true
			return true
		})
	}
	text := func(m protoreflect.Map, key string) string {
		if k := protoreflect.ValueOfString(key).MapKey(); m.Has(k) {
			return flowOne(field.MapValue(), m.Get(k))
		}
		return ""
	}
	for _, key := range sortedKeys(keys) {
		d.add(below(at, key), text(before, key), text(after, key))
	}
}

func below(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}
