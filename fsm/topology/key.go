package topology

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "roster/proto/roster/v1"
)

// unknownKey refuses a key that a message does not have, and says which one was
// probably meant.
func (r *reader) unknownKey(d protoreflect.MessageDescriptor, w written) {
	key, at := w.text, w.at
	names := keyNames(d)
	for _, name := range names {
		if bare(name) == bare(key) {
			r.refuse(ruleKeyStyle, at, fmt.Sprintf("keys are written in lower case with `_` between words: %s", show(key)), fmt.Sprintf("write %s", name))
			return
		}
	}
	message := fmt.Sprintf("%s has no key %s", article(messageName(d)), show(key))
	if near, ok := nearest(key, names); ok {
		r.refuse(ruleUnknownKey, at, message, fmt.Sprintf("did you mean %s?", near))
		return
	}
	for _, other := range messages {
		if other.d != d && other.d.Fields().ByName(protoreflect.Name(key)) != nil {
			r.refuse(ruleUnknownKey, at, message, fmt.Sprintf("move it there: %s is a key of %s", key, other.where))
			return
		}
	}
	r.refuse(ruleUnknownKey, at, message, fmt.Sprintf("the keys are %s", strings.Join(names, ", ")))
}

// messages are the messages that a file is made of, with where they stand.
var messages = []struct {
	d     protoreflect.MessageDescriptor
	name  string
	where string
}{
	{(&v1.Topology{}).ProtoReflect().Descriptor(), "topology", "the topology itself, at the left margin"},
	{(&v1.Pool{}).ProtoReflect().Descriptor(), "pool", "a pool, under `pools:`"},
	{(&v1.Service{}).ProtoReflect().Descriptor(), "service", "a service, under `services:`"},
	{(&v1.Policy{}).ProtoReflect().Descriptor(), "policy", "the policy, under `policy:`"},
	{(&v1.RolloutPolicy{}).ProtoReflect().Descriptor(), "rollout", "the rollout, under `rollout:` of the policy"},
	{(&v1.Floor{}).ProtoReflect().Descriptor(), "floor", "a further floor, under `floors:` of a service"},
	{(&v1.Survives{}).ProtoReflect().Descriptor(), "survives", "the promises, under `survives:`"},
}

func messageName(d protoreflect.MessageDescriptor) string {
	for _, m := range messages {
		if m.d == d {
			return m.name
		}
	}
	return string(d.Name())
}

func keyNames(d protoreflect.MessageDescriptor) []string {
	names := make([]string, d.Fields().Len())
	for i := range names {
		names[i] = string(d.Fields().Get(i).Name())
	}
	return names
}

func fieldNames(fields protoreflect.FieldDescriptors) string {
	var names []string
	for i := range fields.Len() {
		names = append(names, string(fields.Get(i).Name()))
	}
	return strings.Join(names, ", ")
}

// bare is a key without the ways in which people write its words together.
func bare(key string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(key))
}

func article(noun string) string {
	switch {
	case noun == "policy", noun == "survives":
		return noun
	case slices.Contains([]byte("aeiou"), noun[0]):
		return "an " + noun
	}
	return "a " + noun
}
