package draft_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"roster/cmd/internal/draft"
	"roster/cmd/internal/golden"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

func observing(id string, services ...string) *v1.Node {
	n := &v1.Node{Id: id, Mode: v1.AgentMode_AGENT_MODE_OBSERVE, Claims: &v1.NodeClaims{}}
	for _, service := range services {
		n.Claims.Services = append(n.Claims.Services, &v1.ServiceClaim{Name: service})
		n.Assignments = append(n.Assignments, &v1.Assignment{Service: service, Node: id, Wanted: v1.Wanted_WANTED_SERVING})
	}
	return n
}

func TestEachSetOfServicesIsAPoolWithItsNodes(t *testing.T) {
	acting := observing("mail-7", "imap") // handed over before there was a topology
	acting.Mode = v1.AgentMode_AGENT_MODE_ACT
	free := observing("mail-6")
	free.Mode = v1.AgentMode_AGENT_MODE_ACT
	silent := observing("mail-8")
	silent.Claims.Services = []*v1.ServiceClaim{{Name: "imap"}}
	half := observing("mail-9", "imap")
	half.Claims.Services = append(half.Claims.Services, &v1.ServiceClaim{Name: "jmap"})
	d, err := draft.From("what-runs", "example-mail", []*v1.Node{
		observing("mail-10", "imap", "jmap"), observing("mail-1", "jmap", "imap"), observing("mail-2", "imap", "jmap"), observing("mail-3", "imap", "jmap"),
		observing("mx-b", "smtp-inbound", "spam-trap"), observing("mx-a", "smtp-inbound", "spam-trap"), acting, free, silent, half,
	})
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/draft.yaml", string(d.Source))
	read, err := topology.Parse("draft.yaml", d.Source)
	if err != nil {
		t.Fatalf("it is not read back: %v", err)
	}
	for _, pool := range read.GetPools() {
		if pool.GetName() != topology.PoolName(pool.GetServices()) {
			t.Errorf("pool %s is not named as its services are: %v", pool.GetName(), pool.GetServices())
		}
	}
}

func TestWithoutANodeThatServesThereIsNothingToImport(t *testing.T) {
	acting := observing("a")
	acting.Mode = v1.AgentMode_AGENT_MODE_UNSPECIFIED
	leaving := observing("b", "imap")
	leaving.Assignments[0].Wanted = v1.Wanted_WANTED_DRAINING
	if _, err := draft.From("x", "", []*v1.Node{acting, leaving, observing("c")}); !errors.Is(err, draft.ErrNothing) {
		t.Errorf("it ended with %v", err)
	}
}

func TestRangesAreWrittenWhereTheyAreShorter(t *testing.T) {
	for _, c := range []struct{ ids, want string }{
		{"node-1 node-2 node-3", "node-[1-3]"},
		{"node-1 node-2", "node-1 node-2"},
		{"node-3 node-1 node-2 node-5 node-9 node-10 node-11", "node-[1-3] node-5 node-[9-11]"},
		{"node-08 node-09 node-10", "node-[08-10]"},
		{"node-098 node-099 node-100 node-7", "node-7 node-[098-100]"},
		{"mx1.example.org mx2.example.org mx3.example.org", "mx[1-3].example.org"},
		{"a b c", "a b c"},
		{"n0 n1 n2", "n[0-2]"},
		{"n99999999999999999999", "n99999999999999999999"},
	} {
		got := draft.CompressIDs(strings.Fields(c.ids))
		slices.Sort(got)
		want := strings.Fields(c.want)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.ids, diff)
		}
	}
}

func TestPatternsNameExactlyTheIDsThatTheyWereMadeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf(rapid.SampledFrom([]string{"n-%d", "n-%02d", "n-%03d", "m%d.x", "%dx"}).Draw(t, "form"),
				rapid.IntRange(0, 120).Draw(t, "number"))
		}), func(id string) string { return id }).Draw(t, "ids")
		var back []string
		for _, pattern := range draft.CompressIDs(ids) {
			some, err := topology.ExpandIDs(pattern)
			if err != nil {
				t.Fatalf("pattern %s: %v", pattern, err)
			}
			back = append(back, some...)
		}
		slices.Sort(ids)
		slices.Sort(back)
		if !slices.Equal(ids, back) {
			t.Fatalf("%v became %v", ids, back)
		}
	})
}
