package client

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// readVerbs begin the names of methods that change nothing.
var readVerbs = []string{"Get", "List", "Plan", "Diff", "Read", "Check", "Watch", "Simulate", "Survive", "Explain"}

// repeatable says whether a call may be made again after it may have reached a
// member: it reads, or every write in it has a request id. What is not known to
// be safe is not.
func repeatable(method string, args any) bool {
	if reads(method) {
		return true
	}
	m, ok := args.(proto.Message)
	return ok && hasRequestID(m.ProtoReflect())
}

// reads says whether a method changes nothing, by its name.
func reads(method string) bool {
	name := method[strings.LastIndexByte(method, '/')+1:]
	return slices.ContainsFunc(readVerbs, func(v string) bool { return strings.HasPrefix(name, v) })
}

// hasRequestID looks for request_id in the message, or in each message of its
// only list, as in UpdateNodes.
func hasRequestID(m protoreflect.Message) bool {
	fields := m.Descriptor().Fields()
	if id := fields.ByName("request_id"); id != nil && id.Kind() == protoreflect.StringKind {
		return m.Get(id).String() != ""
	}
	if fields.Len() != 1 || !fields.Get(0).IsList() || fields.Get(0).Message() == nil {
		return false
	}
	list := m.Get(fields.Get(0)).List()
	for i := range list.Len() {
		if !hasRequestID(list.Get(i).Message()) {
			return false
		}
	}
	return true
}
