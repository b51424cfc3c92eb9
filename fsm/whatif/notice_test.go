package whatif

import (
	"strings"
	"testing"
	"time"

	v1 "roster/proto/roster/v1"
)

func TestAPlanTellsWhatIsUnknownAndWhatEnds(t *testing.T) {
	now := time.Unix(1893412800, 0)
	var nodes []*v1.Node
	for _, id := range []string{"node-1", "node-2", "node-3"} {
		nodes = append(nodes, &v1.Node{
			Id: id, Region: "a", Zone: "a1", Capacity: 100, Settings: &v1.NodeSettings{},
			Claims: &v1.NodeClaims{Services: []*v1.ServiceClaim{{Name: "imap"}, {Name: "webdav"}}},
		})
	}
	pool := func(service string) *v1.Pool {
		return &v1.Pool{Name: service, Services: []string{service}, Size: &v1.Pool_Count{Count: 1}}
	}
	c, err := Offline(nodes, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.Under(&v1.Topology{Name: "t", Pools: []*v1.Pool{pool("imap"), pool("webdav")}}); err != nil {
		t.Fatal(err)
	}
	next := pool("imap")
	next.Size = &v1.Pool_Count{Count: 2}
	next.Nodes, next.Exclude, next.Spread = []string{"node-[1-9]", "node-33"}, []string{"node-44"}, []string{"rack"}
	plan, err := c.Plan(&v1.Topology{Name: "t", Pools: []*v1.Pool{next}})
	if err != nil {
		t.Fatal(err)
	}
	var short []string
	for _, s := range plan.GetShortages() {
		if s.GetPool() != "" {
			short = append(short, s.GetReason())
		}
	}
	if got, want := strings.Join(short, "\n"), "pool imap names node-33, and no node of that name is registered: did you mean node-3? Register it, or take it away"; got != want {
		t.Errorf("short: %s, not %s", got, want)
	}
	told := strings.Join(plan.GetNotices(), "\n")
	for _, want := range []string{
		"pool imap excludes node-44, and no node of that name is registered",
		"pool imap is spread over rack, and no registered node has that label: give it to the nodes, or spread over another one",
		"webdav ends: no pool names it any longer",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told:\n%s", want, told)
		}
	}
}
