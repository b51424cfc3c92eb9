package placement

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

func TestAFloorAboveTheSeatsIsAShortageThatNamesItsMend(t *testing.T) {
	for name, row := range map[string]struct {
		pools   []*v1.Pool
		service *v1.Service
		inForce uint32
		want    string
	}{
		"as many as are asked for": {[]*v1.Pool{count("imap", 4, "imap")}, &v1.Service{Name: "imap", Floor: proto.Uint32(4)}, 4, ""},
		"not reached yet": {
			[]*v1.Pool{count("imap", 4, "imap")}, &v1.Service{Name: "imap", Floor: proto.Uint32(6)}, 4,
			"imap has a floor of 6, and its pools have 4 seats; enlarge pool imap, or lower the floor",
		},
		"reached by loans": {
			[]*v1.Pool{weight("imap", 4, "imap"), weight("web", 6, "webdav")}, &v1.Service{Name: "imap", Floor: proto.Uint32(6)}, 6,
			"imap has a floor of 6, and its pools have 4 seats; 2 more are lent for as long as it is so; enlarge pool imap, or lower the floor",
		},
		"of two pools": {
			[]*v1.Pool{count("a", 2, "imap"), count("b", 1, "imap")}, &v1.Service{Name: "imap", Floor: proto.Uint32(4)}, 0,
			"imap has a floor of 4, and its pools have 3 seats; enlarge one of pools a and b, or lower the floor",
		},
		"a pool that is short would do": {
			[]*v1.Pool{count("imap", 12, "imap")}, &v1.Service{Name: "imap", Floor: proto.Uint32(12)}, 0, "",
		},
		"over each zone": {
			[]*v1.Pool{where(count("imap", 1, "imap"), "zone", "a1")}, &v1.Service{Name: "imap", Floors: []*v1.Floor{{Min: 2, Per: "zone"}}}, 1,
			"imap has a floor of 2 in zone a1, and its pools have 1 seat there; enlarge pool imap, or lower the floor",
		},
	} {
		t.Run(name, func(t *testing.T) {
			top := topologyOf(row.pools...)
			top.Services = []*v1.Service{row.service}
			target, err := Place(View{Topology: topology.Effective(top), Nodes: tenNodes(), Floors: map[string]uint32{"imap": row.inForce}})
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, s := range target.Shortages {
				if s.GetPool() == "" {
					said = append(said, s.GetReason())
				}
			}
			if got := strings.Join(said, "\n"); got != row.want {
				t.Errorf("said %q, not %q", got, row.want)
			}
		})
	}
}
