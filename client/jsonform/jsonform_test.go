package jsonform

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	_ "roster/proto/roster/peer/v1"
	_ "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// at is a time for tests.
var at = timestamppb.New(time.Date(2030, 1, 2, 3, 4, 5, 60_000_000, time.UTC))

var status = &v1.Status{
	State:    v1.StatusState_STATUS_STATE_FLOOR_BROKEN,
	Topology: &v1.StatusTopology{Name: "paired", Revision: 3},
	Services: map[string]*v1.ServiceStatus{
		"smtp-inbound": {Floor: 2, FloorInForce: 1, Wanted: 2, Ready: 1, Nodes: []string{"node-2"}},
		"imap":         {Ready: 1, Floor: 1, FloorInForce: 1, Wanted: 1, Nodes: []string{"node-1"}},
	},
	Nodes: []*v1.NodeStatus{
		{Id: "node-1", Region: "a", Zone: "a1", State: v1.NodeState_NODE_STATE_UP, Services: []string{"imap"}, Pools: []string{"imap"}},
		{Id: "node-2", State: v1.NodeState_NODE_STATE_DOWN, Cordoned: true},
	},
	Endpoints: []*v1.StatusEndpoint{{Service: "imap", Node: "node-1", Address: "[::1]:143", State: v1.EndpointState_ENDPOINT_STATE_NOT_READY}},
	Members:   []*v1.StatusMember{{Id: "m1", Address: "127.0.0.1:7400", Leader: true, Name: "one", Voter: true}},
	Sentences: []string{`node-2 is down: "connection <refused>" & silent`},
	Index:     math.MaxUint64, Epoch: 1893553445060, Term: 7,
	Profile: v1.TimingProfile_TIMING_PROFILE_LAN, Time: at,
}

var revision = &v1.TopologyRevision{
	Revision: 2,
	Topology: &v1.Topology{
		Name: "t",
		Pools: []*v1.Pool{
			{
				Name: "mx", Services: []string{"smtp-inbound"}, Size: &v1.Pool_Count{Count: 4}, Lend: proto.Bool(false), Min: proto.Uint32(0),
				Where: map[string]*v1.LabelValues{"egress": {Values: []string{"yes", "no"}}, "empty": {}},
			},
			{Name: "rest", Services: []string{"imap"}, Size: &v1.Pool_All{All: true}},
		},
		Services: []*v1.Service{{Name: "imap", Floor: proto.Uint32(0), Drain: durationpb.New(90 * time.Minute), Data: v1.Data_DATA_LOCAL}},
		Policy: &v1.Policy{
			MaxMoving: &v1.Percent{Value: 25}, DownAfter: durationpb.New(1500 * time.Millisecond),
			Repair: v1.Automation_AUTOMATION_AUTO, Rebalance: v1.Automation(9),
		},
	},
	Source: []byte("# kept\nname: t\npools: []\n"), Author: "roster://c/user/alice", Time: at, Index: 12,
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestTheFormIsTheOneThatIsKept(t *testing.T) {
	for name, m := range map[string]proto.Message{
		"status": status, "revision": revision, "empty_status": &v1.Status{}, "empty_node": &v1.Node{},
		"event": &v1.Event{Index: 1, Time: at, Kind: "node.down"},
	} {
		pretty, err := Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", append(pretty, '\n'))
		asYAML, err := MarshalYAML(m)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".yaml", asYAML)
	}
}

func TestOneLineIsTheSameForm(t *testing.T) {
	pretty, err := Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	line, err := MarshalCompact(status)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, pretty); err != nil {
		t.Fatal(err)
	}
	if want.String() != string(line) {
		t.Errorf("one line:\n%s\nwant:\n%s", line, want.String())
	}
}

func TestSingleValues(t *testing.T) {
	for _, tt := range []struct {
		m    proto.Message
		want string
	}{
		{durationpb.New(0), `"0s"`},
		{durationpb.New(10 * time.Second), `"10s"`},
		{durationpb.New(10 * time.Minute), `"10m"`},
		{durationpb.New(60 * time.Hour), `"60h"`},
		{durationpb.New(time.Hour + time.Second), `"1h0m1s"`},
		{durationpb.New(-time.Hour - time.Minute), `"-1h1m"`},
		{durationpb.New(250 * time.Microsecond), `"250µs"`},
		{timestamppb.New(time.Unix(0, 0)), `"1970-01-01T00:00:00Z"`},
		{at, `"2030-01-02T03:04:05.06Z"`},
		{&v1.Percent{}, `"0%"`},
		{&v1.LabelValues{}, `[]`},
		{wrapperspb.Double(0.25), `{"value":0.25}`},
		{wrapperspb.Double(1e300), `{"value":1e+300}`},
		{wrapperspb.Bytes([]byte{0xff, 0}), `{"value":"base64:/wA="}`},
		{wrapperspb.Int64(math.MinInt64), `{"value":-9223372036854775808}`},
		{wrapperspb.String("<\u2028\"\\\x01ä"), "{\"value\":\"<\\u2028\\\"\\\\\\u0001ä\"}"},
		{(*v1.Node)(nil), `null`},
		{nil, `null`},
	} {
		got, err := MarshalCompact(tt.m)
		if err != nil || string(got) != tt.want {
			t.Errorf("%v: %s, %v, want %s", tt.m, got, err, tt.want)
		}
	}
}

func TestWhatHasNoFormIsRefusedWithItsPlace(t *testing.T) {
	for _, tt := range []struct {
		m    proto.Message
		want string
	}{
		{wrapperspb.Double(math.NaN()), "value"},
		{wrapperspb.Double(math.Inf(-1)), "value"},
		{wrapperspb.Float(float32(math.Inf(1))), "value"},
		{&v1.Node{Labels: map[string]string{"k": "\xff"}}, "labels: [k]"},
		{&v1.Node{Labels: map[string]string{"\xff": "v"}}, "labels"},
		{&v1.Node{Assignments: []*v1.Assignment{{}, {Drain: &durationpb.Duration{Seconds: math.MaxInt64}}}}, "assignments: [1]: drain"},
		{&v1.Node{StateSince: &timestamppb.Timestamp{Nanos: -1}}, "state_since"},
		{&v1.Node{Assignments: []*v1.Assignment{{Drain: &durationpb.Duration{Seconds: 300_000_000_000}}}}, "too long"},
	} {
		for name, marshal := range map[string]func(proto.Message) ([]byte, error){"JSON": Marshal, "YAML": MarshalYAML} {
			out, err := marshal(tt.m)
			if !errors.Is(err, ErrUnprintable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s of %v: %s, %v", name, tt.m, out, err)
			}
		}
	}
}

// messages are all messages of Roster's own.
func messages() []protoreflect.MessageType {
	var out []protoreflect.MessageType
	protoregistry.GlobalTypes.RangeMessages(func(mt protoreflect.MessageType) bool {
		name := string(mt.Descriptor().FullName())
		if strings.HasPrefix(name, "roster.") && !mt.Descriptor().IsMapEntry() {
			out = append(out, mt)
		}
		return true
	})
	slices.SortFunc(out, func(a, b protoreflect.MessageType) int {
		return strings.Compare(string(a.Descriptor().FullName()), string(b.Descriptor().FullName()))
	})
	return out
}

// drawMessage draws one of them and its content.
func drawMessage(t *rapid.T, types []protoreflect.MessageType) protoreflect.Message {
	m := types[rapid.IntRange(0, len(types)-1).Draw(t, "message")].New()
	fill(t, m, 3)
	return m
}

func TestEveryMessageHasAFormAndEveryEnumAWord(t *testing.T) {
	all := messages()
	if len(all) < 80 {
		t.Fatalf("only %d messages are known", len(all))
	}
	for _, mt := range all {
		out, err := Marshal(mt.New().Interface())
		if err != nil || !json.Valid(out) {
			t.Errorf("%s: %s, %v", mt.Descriptor().FullName(), out, err)
		}
	}
	protoregistry.GlobalTypes.RangeEnums(func(et protoreflect.EnumType) bool {
		ed := et.Descriptor()
		if !strings.HasPrefix(string(ed.FullName()), "roster.") {
			return true
		}
		for i := range ed.Values().Len() {
			v := ed.Values().Get(i)
			word := enumWord(ed, v.Number())
			if strings.Contains(word, strings.ToLower(enumPrefix(string(ed.Name())))) || (v.Number() == 0) != (word == "unspecified") {
				t.Errorf("%s is printed as %q", v.FullName(), word)
			}
		}
		return true
	})
}

// fill sets fields of a message by chance.
func fill(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !rapid.Bool().Draw(t, string(fd.Name())) || depth == 0 && fd.Message() != nil {
			continue
		}
		switch {
		case fd.IsMap():
			mv := m.Mutable(fd).Map()
			for range rapid.IntRange(1, 3).Draw(t, "n") {
				key := scalar(t, fd.MapKey()).MapKey()
				if fd.MapValue().Message() != nil {
					fill(t, mv.Mutable(key).Message(), depth-1)
				} else {
					mv.Set(key, scalar(t, fd.MapValue()))
				}
			}
		case fd.IsList():
			l := m.Mutable(fd).List()
			for range rapid.IntRange(1, 3).Draw(t, "n") {
				if fd.Message() != nil {
					fill(t, l.AppendMutable().Message(), depth-1)
				} else {
					l.Append(scalar(t, fd))
				}
			}
		case fd.Message() != nil:
			fill(t, m.Mutable(fd).Message(), depth-1)
		default:
			m.Set(fd, scalar(t, fd))
		}
	}
}

func scalar(t *rapid.T, fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "v"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32Range(0, 9).Draw(t, "v")))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text(t))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(text(t)))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32Range(0, 999).Draw(t, "v"))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64Range(0, 999_999_999).Draw(t, "v"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "v"))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "v"))
	}
	panic("a kind that the messages did not have before: " + fd.Kind().String())
}

// text draws what YAML and JSON are known to stumble over, too.
func text(t *rapid.T) string {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ -~\n\t]{0,12}`),
		rapid.SampledFrom([]string{
			"", "yes", "no", "on", "off", "y", "null", "~", "true", "1", "1e3", "0x1f", "0o7", "1_000", ".inf", ".nan", "10:20", "2030-01-02",
			"2030-01-02T03:04:05Z", "- a", "a: b", "a #b", "#a", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "25%", "'", `"`, "a\nb", "a\nb\n", "\na", " a\nb", "a ", " a", "\ta", "a\t",
			"a\r\nb", "a\rb", "\u2028", "\u0085", "\ufeff", "---", "...", "--- a\n", "[", "{", "]", ",", "?", "? a", ":", "<<", "=", "-", "\x00", "\x7f", "a\n\n\n", "\n", "\n\n", "  \n  ", "a\n  b\n c", "#\n#",
		}),
	).Draw(t, "text")
}

func TestYAMLSaysWhatJSONSays(t *testing.T) {
	types := messages()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t, types)
		asJSON, err := Marshal(m.Interface())
		if err != nil {
			t.Skip(err) // a duration or time out of range
		}
		asYAML, err := MarshalYAML(m.Interface())
		if err != nil {
			t.Fatal(err)
		}
		var fromJSON, fromYAML any
		d := json.NewDecoder(bytes.NewReader(asJSON))
		d.UseNumber()
		if err := d.Decode(&fromJSON); err != nil {
			t.Fatalf("%v\n%s", err, asJSON)
		}
		if err := yaml.Unmarshal(asYAML, &fromYAML); err != nil {
			t.Fatalf("%v\n%s", err, asYAML)
		}
		back, err := json.Marshal(fromYAML)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(fromJSON)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, back) {
			t.Fatalf("YAML says\n%s\nJSON says\n%s\nYAML:\n%s", back, want, asYAML)
		}
	})
}

func TestTheSameMessageIsTheSameBytesEachTime(t *testing.T) {
	types := messages()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t, types)
		first, err := Marshal(m.Interface())
		if err != nil {
			t.Skip(err)
		}
		// A copy has its maps in another order; one built from the descriptor alone
		// has no generated type.
		dynamic := dynamicpb.NewMessage(m.Descriptor())
		data, err := proto.Marshal(m.Interface())
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(data, dynamic); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for _, again := range []proto.Message{proto.Clone(m.Interface()), dynamic} {
				out, err := Marshal(again)
				if err != nil || !bytes.Equal(first, out) {
					t.Fatalf("%v\n%s\nthen\n%s", err, first, out)
				}
			}
		}
	})
}

func TestMapsWithNumbersAsKeysAreSortedAsNumbers(t *testing.T) {
	for _, tt := range []struct{ a, b protoreflect.MapKey }{
		{protoreflect.ValueOfInt32(-10).MapKey(), protoreflect.ValueOfInt32(9).MapKey()},
		{protoreflect.ValueOfUint64(9).MapKey(), protoreflect.ValueOfUint64(10).MapKey()},
		{protoreflect.ValueOfBool(false).MapKey(), protoreflect.ValueOfBool(true).MapKey()},
		{protoreflect.ValueOfString("10").MapKey(), protoreflect.ValueOfString("9").MapKey()},
	} {
		if compareKeys(tt.a, tt.b) >= 0 || compareKeys(tt.b, tt.a) <= 0 || compareKeys(tt.a, tt.a) != 0 {
			t.Errorf("%v and %v", tt.a, tt.b)
		}
	}
}
