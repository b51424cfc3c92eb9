package client

import (
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

func TestRequestIDsRiseWhateverTheClockDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m minter
		before := ""
		for _, ms := range rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(-5, 1<<47)), 1, 40).Draw(t, "times") {
			for range rapid.SampledFrom([]int{1, 2, 5000}).Draw(t, "ids") {
				id := m.next(time.UnixMilli(ms))
				u, err := uuid.Parse(id)
				if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
					t.Fatalf("%s is no UUIDv7: %v", id, err)
				}
				if id <= before {
					t.Fatalf("%s came after %s", id, before)
				}
				before = id
			}
		}
	})
}

// millisOf is the time in a UUIDv7.
func millisOf(t *testing.T, id string) int64 {
	t.Helper()
	u, err := uuid.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	s, ns := u.Time().UnixTime()
	return s*1000 + ns/1e6
}

func TestRequestIDsHaveTheClustersTimeOnceAReplyToldIt(t *testing.T) {
	now := time.Now()
	told := now.Add(-72 * time.Hour) // this machine's clock is far ahead
	var k clusterClock
	var m minter
	if got := k.now(now); !got.Equal(now) {
		t.Errorf("before any reply it is %v", got)
	}
	k.tell(told, now)
	if got := k.now(now.Add(5 * time.Second)); !got.Equal(told.Add(5 * time.Second)) {
		t.Errorf("after 5 s it is %v, told was %v", got, told)
	}
	if got := millisOf(t, m.next(k.now(now))); got != told.UnixMilli() {
		t.Errorf("id at %d, cluster at %d", got, told.UnixMilli())
	}
	// A reply of another member, on its way for longer, does not turn time back.
	k.tell(told.Add(-time.Minute), now)
	if got := k.now(now); !got.Equal(told) {
		t.Errorf("after an older reply it is %v", got)
	}
}

func TestATimeThatIsNoneIsIgnored(t *testing.T) {
	c := &Client{}
	for _, v := range []string{"", "soon", "1e3", "99999999999999999999", "-5", "0", "281474976710656"} {
		c.hear(metadata.Pairs(TimeHeader, v))
	}
	if !c.clock.told.IsZero() {
		t.Errorf("told %v", c.clock.told)
	}
	c.hear(metadata.Pairs(TimeHeader, "1893553445060"))
	if c.clock.told.UnixMilli() != 1893553445060 {
		t.Errorf("told %v", c.clock.told)
	}
}

// once are the writes that have no request id: they are not made again.
var once = map[protoreflect.FullName]bool{
	"roster.v1.ClusterService.TransferLeadership": true,
	"roster.v1.ClusterService.SnapshotMember":     true,
}

func TestEveryPublicWriteIsRepeatableWithItsRequestIDAndOnlyThen(t *testing.T) {
	unary := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("roster.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				md := methods.Get(j)
				if md.IsStreamingClient() || md.IsStreamingServer() {
					continue
				}
				unary++
				mt, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
				if err != nil {
					t.Fatal(err)
				}
				method := "/" + string(md.Parent().FullName()) + "/" + string(md.Name())
				empty, with := mt.New(), mt.New()
				reads := repeatable(method, nil)
				if fd := md.Input().Fields().ByName("request_id"); fd != nil {
					with.Set(fd, protoreflect.ValueOfString("id"))
					if reads {
						t.Errorf("%s has a request id and is taken for a read", method)
					}
				}
				if list := md.Input().Fields().ByName("updates"); list != nil {
					for _, m := range []protoreflect.Message{empty, with} {
						item := m.Mutable(list).List().AppendMutable().Message()
						if m == with {
							item.Set(item.Descriptor().Fields().ByName("request_id"), protoreflect.ValueOfString("id"))
						}
					}
				}
				if got := repeatable(method, empty.Interface()); got != reads {
					t.Errorf("%s without a request id may be repeated", method)
				}
				if got := repeatable(method, with.Interface()); got == once[md.FullName()] {
					t.Errorf("%s with a request id may be repeated: %v", method, got)
				}
			}
		}
		return true
	})
	if unary < 15 {
		t.Errorf("only %d methods were found", unary)
	}
	mixed := &v1.UpdateNodesRequest{Updates: []*v1.UpdateNodeRequest{{RequestId: "a"}, {}}}
	if repeatable(v1.NodeService_UpdateNodes_FullMethodName, proto.Message(mixed)) {
		t.Error("a batch of which one has no request id may be repeated")
	}
}

func TestBoundsOfTheMinter(t *testing.T) {
	var m minter
	first := m.next(time.UnixMilli(math.MaxInt64 / 2))
	if second := m.next(time.Now()); second <= first {
		t.Errorf("%s after %s", second, first)
	}
}
