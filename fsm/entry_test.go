package fsm

import (
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
)

// encodeRaw makes an entry of envelopes that EncodeEntry might refuse, and lets
// the caller spoil it.
func encodeRaw(t testing.TB, spoil func(*storev1.Entry), envelopes ...*storev1.Envelope) []byte {
	t.Helper()
	entry := &storev1.Entry{}
	for _, env := range envelopes {
		raw, err := proto.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		entry.Items = append(entry.Items, &storev1.Item{Envelope: raw, Crc32C: crc32.Checksum(raw, castagnoli)})
	}
	if spoil != nil {
		spoil(entry)
	}
	raw, err := proto.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestABrokenEntryStopsTheMemberAndNamesIndexAndCommand(t *testing.T) {
	update := &storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"rack": "7"}}
	for name, c := range map[string]struct {
		change func(*storev1.Envelope)
		spoil  func(*storev1.Entry)
		want   error
	}{
		"a flipped bit": {
			spoil: func(e *storev1.Entry) {
				raw := e.Items[1].Envelope
				at := strings.Index(string(raw), "rack")
				raw[at] ^= 0x01
			},
			want: ErrChecksum,
		},
		"a wrong checksum":        {spoil: func(e *storev1.Entry) { e.Items[1].Crc32C++ }, want: ErrChecksum},
		"a schema of the future":  {change: func(e *storev1.Envelope) { e.Schema = Schema + 1 }, want: ErrSchema},
		"no schema":               {change: func(e *storev1.Envelope) { e.Schema = 0 }, want: ErrUndecodable},
		"no time":                 {change: func(e *storev1.Envelope) { e.Time = nil }, want: ErrUndecodable},
		"another cluster's entry": {change: func(e *storev1.Envelope) { e.ClusterId = "c2" }, want: ErrOtherCluster},
	} {
		t.Run(name, func(t *testing.T) {
			b := initialised(t)
			b.nodes(1)
			before := b.m.State()
			spoiled := b.envelope(update)
			if c.change != nil {
				c.change(spoiled)
			}
			entry := encodeRaw(t, c.spoil, b.envelope(update), spoiled)
			_, err := b.m.Apply(42, entry)
			if !errors.Is(err, c.want) {
				t.Fatalf("want %v, got %v", c.want, err)
			}
			for _, word := range []string{"42", "item 1", "update_node"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error does not name %q: %v", word, err)
				}
			}
			if b.m.State() != before {
				t.Error("a broken entry was applied in part")
			}
			whole, err2 := EncodeEntry([]*storev1.Envelope{b.envelope(update)})
			if err2 != nil {
				t.Fatal(err2)
			}
			if _, again := b.m.Apply(43, whole); !errors.Is(again, c.want) {
				t.Errorf("the machine went on after a broken invariant: %v", again)
			}
		})
	}
}

func TestAnEntryWithoutACommandIsBroken(t *testing.T) {
	b := initialised(t)
	env := b.envelope(&storev1.RemoveNode{Id: "x"})
	env.Command = &storev1.Command{}
	for name, entry := range map[string][]byte{
		"no command":  encodeRaw(t, nil, env),
		"no item":     encodeRaw(t, nil),
		"empty bytes": {},
		"noise":       []byte("noise"),
		"an item that is noise": encodeRaw(t, func(e *storev1.Entry) {
			noise := []byte{0xff, 0xff}
			e.Items = append(e.Items, &storev1.Item{Envelope: noise, Crc32C: crc32.Checksum(noise, castagnoli)})
		}),
	} {
		m := initialised(t).m
		if _, err := m.Apply(9, entry); !errors.Is(err, ErrUndecodable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEntriesComeInOrder(t *testing.T) {
	b := initialised(t)
	entry, err := EncodeEntry([]*storev1.Envelope{b.envelope(&storev1.RemoveNode{Id: "x"})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.m.Apply(b.index, entry); !errors.Is(err, ErrOrder) {
		t.Fatalf("an entry was applied twice: %v", err)
	}
}

func TestEncodeEntryTakesOneTo512Commands(t *testing.T) {
	b := initialised(t)
	var many []*storev1.Envelope
	for range MaxBatch + 1 {
		many = append(many, b.envelope(&storev1.RemoveNode{Id: "x"}))
	}
	if _, err := EncodeEntry(nil); err == nil {
		t.Error("an entry without commands was encoded")
	}
	if _, err := EncodeEntry(many); err == nil {
		t.Error("an entry with too many commands was encoded")
	}
	if _, err := b.m.Apply(7, encodeRaw(t, nil, many...)); !errors.Is(err, ErrUndecodable) {
		t.Errorf("an entry with too many commands was applied: %v", err)
	}
	if _, err := EncodeEntry([]*storev1.Envelope{{}}); err == nil {
		t.Error("an envelope without a command was encoded")
	}
	m := initialised(t)
	results, err := m.apply(many[:MaxBatch]...)
	if err != nil || len(results) != MaxBatch {
		t.Fatalf("%d results, %v", len(results), err)
	}
}

// A refused command leaves the others of its entry alone.
func TestCommandsOfOneEntrySucceedOrFailAlone(t *testing.T) {
	b := initialised(t)
	results, err := b.apply(
		b.envelope(&storev1.RegisterNode{Id: "node-1", Instance: "i", Claims: claims("imap")}),
		b.envelope(&storev1.UpdateNode{Id: "node-9", SetLabels: map[string]string{"a": "b"}}),
		b.envelope(&storev1.UpdateNode{Id: "node-1", SetLabels: map[string]string{"a": "b"}}),
	)
	if err != nil {
		t.Fatal(err)
	}
	if results[0].GetRefusal() != nil || results[1].GetRefusal().GetReason() != ReasonNoNode || results[2].GetRefusal() != nil {
		t.Fatalf("results: %v", results)
	}
	if got := b.m.State().Node("node-1").GetLabels()["a"]; got != "b" {
		t.Fatalf("the later command did not see the earlier one: %q", got)
	}
}

// Every field of Command has a handler: whoever adds a command is reminded here.
func TestEveryCommandHasAHandler(t *testing.T) {
	fields := (&storev1.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("command").Fields()
	for i := range fields.Len() {
		b := initialised(t)
		c := &storev1.Command{}
		c.ProtoReflect().Set(fields.Get(i), c.ProtoReflect().NewField(fields.Get(i)))
		env := b.envelope(&storev1.RemoveNode{})
		env.Command = c
		if _, err := b.apply(env); err != nil {
			t.Errorf("%s: %v", fields.Get(i).Name(), err)
		}
	}
}

func TestBeforeInitEverythingElseIsRefused(t *testing.T) {
	b := blank(t, standardLimits)
	b.refuse(ReasonNotInitialised, &storev1.RegisterNode{Id: "node-1", Instance: "i"})
	b.refuse(ReasonNotInitialised, &storev1.PutMember{})
}
