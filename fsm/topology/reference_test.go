package topology

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "roster/proto/roster/v1"
)

func readReference(t *testing.T) (source, *v1.Topology, *place) {
	t.Helper()
	src, err := os.ReadFile("testdata/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, top, at, err := read("reference.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	expandServices(top, at)
	return s, top, at
}

func TestTheReferenceFileHasEveryKeyOfTheSchema(t *testing.T) {
	_, _, at := readReference(t)
	for _, m := range messages {
		for _, key := range keyNames(m.d) {
			if !hasKey(at, m.d, (&v1.Topology{}).ProtoReflect().Descriptor(), key) {
				t.Errorf("the reference file lacks the key %s of %s", key, m.where)
			}
		}
	}
}

// hasKey reports whether a message of that kind, anywhere below at, has a key.
func hasKey(at *place, want, here protoreflect.MessageDescriptor, key string) bool {
	if here == want && at.fields[key] != nil {
		return true
	}
	for name, below := range at.fields {
		field := here.Fields().ByName(protoreflect.Name(name))
		if field == nil || field.IsMap() || field.Message() == nil {
			continue
		}
		if hasKey(below, want, field.Message(), key) {
			return true
		}
		for _, item := range below.items {
			if hasKey(item, want, field.Message(), key) {
				return true
			}
		}
	}
	return false
}

func TestTheReferenceFileIsSoundButForWhatThisReleaseDoesNotBuild(t *testing.T) {
	s, top, at := readReference(t)
	if err := join(locate(s, at, validate(top))); err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, f := range release(top) {
		if f.rule != ruleNotBuilt {
			t.Errorf("%s is refused by %s", f.path, f.rule)
		}
		refused = append(refused, f.path.String())
	}
	slices.Sort(refused)
	want := []string{
		"services[2].exclusive", "services[2].task",
	}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Errorf("-want +refused\n%s", diff)
	}
}

func TestTheReferenceFileWithoutThoseKeysIsAccepted(t *testing.T) {
	_, top, _ := readReference(t)
	for _, s := range top.GetServices() {
		s.Exclusive, s.Task = false, false
	}
	back, err := ParseFor("reference.yaml", Format(top), clusterName)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(top, back) {
		t.Error("the file changed on its way through Format and Parse")
	}
}

func TestFormatWritesEveryKeyOfTheReferenceFileBack(t *testing.T) {
	_, top, _ := readReference(t)
	_, back, at, err := read("formatted.yaml", Format(top))
	if err != nil {
		t.Fatal(err)
	}
	expandServices(back, at)
	if !proto.Equal(top, back) {
		t.Errorf("the file changed on its way through Format:\n%s", Format(top))
	}
}

func TestTheEffectiveFileNamesEveryDefault(t *testing.T) {
	top, err := Parse("small.yaml", []byte("name: small\npools:\n  - {name: mail, services: [imap, smtp], all: true}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
name: small
pools:
  - name: mail
    services: [imap, smtp-inbound, smtp-outbound]
    all: true
    lend: true
    min: 1
services:
  - name: imap
    floor: 1
    drain: 10m
  - name: smtp-inbound
    floor: 1
    drain: 1m
  - name: smtp-outbound
    floor: 1
    drain: 30m
policy:
  max_moving: 25%
  down_after: 10s
  replace_after: 5m
  return_after: 1m
  hold_above: 30%
  hold_max: 15m
  repair: auto
  rebalance: auto
`, "\n")
	if diff := cmp.Diff(want, string(Format(Effective(top)))); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
}
