package topology

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

func parseExample(t *testing.T, name string) *v1.Topology {
	t.Helper()
	src, ok := Example(name)
	if !ok {
		t.Fatalf("there is no example %s", name)
	}
	top, err := Parse(name+".yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	return top
}

func TestEveryExampleIsAcceptedAndSaysWhatToExpect(t *testing.T) {
	for _, name := range Examples() {
		if top := parseExample(t, name); top.GetName() != name {
			t.Errorf("the example %s calls itself %s", name, top.GetName())
		}
		if src, _ := Example(name); !strings.Contains(string(src), " assignments") {
			t.Errorf("the head of %s does not say how many assignments it gives", name)
		}
	}
	for _, name := range []string{"", "nodes", "../topology", "no-such-example"} {
		if _, ok := Example(name); ok {
			t.Errorf("%q is an example", name)
		}
	}
}

func TestTheExampleNodesAreTenInThreeRegionsOfTwoZones(t *testing.T) {
	nodes, err := ParseNodes("nodes.yaml", ExampleNodes())
	if err != nil {
		t.Fatal(err)
	}
	zones := make(map[string]int)
	for i, n := range nodes {
		if want := fmt.Sprintf("node-%d", i+1); n.GetId() != want {
			t.Errorf("node %d is %s", i+1, n.GetId())
		}
		if !strings.HasPrefix(n.GetZone(), n.GetRegion()) || n.GetRegion() != n.GetClaims().GetRegion() {
			t.Errorf("%s is in zone %s of region %s", n.GetId(), n.GetZone(), n.GetRegion())
		}
		zones[n.GetRegion()+" "+n.GetZone()]++
	}
	want := map[string]int{"a a1": 2, "a a2": 1, "b b1": 2, "b b2": 1, "c c1": 2, "c c2": 2}
	if diff := cmp.Diff(want, zones); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
}

func TestNodesSayWhatTheyCanRun(t *testing.T) {
	nodes, err := ParseNodes("nodes.yaml", []byte(`
- {id: "mail-[1-2]", region: eu, labels: {disk: ssd}, capacity: 200, services: [imap, smtp, xmpp], restart_groups: {stalwart: [imap, smtp-inbound]}}
- {id: spare}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 3 || nodes[1].GetId() != "mail-2" || nodes[1].GetCapacity() != 200 || nodes[1].GetLabels()["disk"] != "ssd" {
		t.Fatalf("have %v", nodes)
	}
	var have []string
	for _, c := range nodes[0].GetClaims().GetServices() {
		have = append(have, fmt.Sprintf("%s %v %s", c.GetName(), c.GetChangeMode() == v1.ChangeMode_CHANGE_MODE_RESTART, c.GetRestartGroup()))
	}
	want := []string{"imap true stalwart", "smtp-inbound true stalwart", "smtp-outbound false ", "xmpp false "}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	if spare := nodes[2]; len(spare.GetClaims().GetServices()) != len(KnownServices()) || spare.GetCapacity() != defaultCapacity {
		t.Errorf("a node that says nothing can run %v with capacity %d", spare.GetClaims().GetServices(), spare.GetCapacity())
	}
}

func TestSMTPIsReadAsBothServicesWithEqualSettings(t *testing.T) {
	top, err := Parse("smtp.yaml", []byte("name: smtp\npools:\n  - {name: mail, services: [smtp, imap], count: 2}\nservices:\n  - {name: smtp, floor: 2}\n  - {name: imap, floor: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"smtp-inbound", "smtp-outbound", "imap"}, top.GetPools()[0].GetServices()); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, s := range top.GetServices() {
		names = append(names, fmt.Sprint(s.GetName(), " ", s.GetFloor()))
	}
	if diff := cmp.Diff([]string{"smtp-inbound 2", "smtp-outbound 2", "imap 1"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestAFaultAfterSMTPIsShownInItsOwnLine(t *testing.T) {
	_, err := Parse("smtp.yaml", []byte("name: smtp\npools:\n  - name: mail\n    services:\n      - smtp\n      - imap\n      - nope\n    count: 2\n"))
	var fault *Error
	if !errors.As(err, &fault) || fault.Line != 7 || fault.Column != 9 || fault.Path != "pools[0].services[3]" {
		t.Errorf("have %+v", fault)
	}
}

func TestAServiceOfOnesOwnIsDeclaredByAnEntry(t *testing.T) {
	if _, err := Parse("own.yaml", []byte("name: own\npools:\n  - {name: chat, services: [xmpp], count: 2}\nservices:\n  - {name: xmpp}\n")); err != nil {
		t.Error(err)
	}
}

func TestFilesThatMeanTheSameAreAcceptedHoweverTheyAreWritten(t *testing.T) {
	want := parseExample(t, "unified")
	for name, file := range map[string]string{
		"carriage returns": "name: unified\r\npools:\r\n  - name: everything\r\n    services: [imap, jmap, webdav, smtp]\r\n    all: true\r\n",
		"byte order mark":  "\ufeffname: unified\npools:\n  - {name: everything, services: [imap, jmap, webdav, smtp], all: true}\n",
		"header and end":   "---\nname: unified\npools:\n- name: everything\n  services:\n  - imap\n  - jmap\n  - webdav\n  - smtp\n  all: true\n...\n",
		"quotes and order": "\"pools\":\n  - {all: true, 'services': ['imap', \"jmap\", webdav, smtp-inbound, smtp-outbound], name: \"everything\"}\nname: 'unified'\n",
		"braces":           "{name: unified, pools: [{name: everything, services: [imap, jmap, webdav, smtp], all: true}]}",
		"comments":         "# c\nname: unified # c\n# c\npools: # c\n  # c\n  - name: everything # c\n    # c\n    services: [imap, jmap, webdav, smtp] # c\n    all: true\n# c\n",
	} {
		t.Run(name, func(t *testing.T) {
			have, err := Parse("same.yaml", []byte(file))
			if err != nil {
				t.Fatal(err)
			}
			if d := Diff(want, have); len(d) != 0 {
				t.Errorf("differs: %v", d)
			}
		})
	}
}

func TestPoolsThatNoNodeCanBeInTogetherMayEachTakeTheRest(t *testing.T) {
	for name, pools := range map[string]string{
		"by region":       "  - {name: eu, services: [imap], all: true, where: {region: eu}}\n  - {name: us, services: [imap], all: true, where: {region: [us, ca]}}\n",
		"by weight":       "  - {name: eu, services: [imap], all: true, where: {region: eu}}\n  - {name: us, services: [imap], weight: 2, where: {region: us}}\n",
		"by name":         "  - {name: one, services: [imap], all: true, nodes: [node-1, node-2]}\n  - {name: two, services: [jmap], all: true, nodes: [node-3]}\n",
		"by exclude":      "  - {name: one, services: [imap], all: true, nodes: [node-1, node-2]}\n  - {name: two, services: [jmap], all: true, exclude: [\"node-[1-2]\"]}\n",
		"beside a count":  "  - {name: one, services: [imap], all: true}\n  - {name: two, services: [jmap], count: 2}\n",
		"a range cut out": "  - {name: one, services: [imap], count: 3, nodes: [\"node-[1-4]\"], exclude: [node-2]}\n",
	} {
		if _, err := Parse("apart.yaml", []byte("name: apart\npools:\n"+pools)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRangesNameIDsInOrder(t *testing.T) {
	for pattern, want := range map[string][]string{
		"node-1":            {"node-1"},
		"node-[1-4]":        {"node-1", "node-2", "node-3", "node-4"},
		"node-[9-11]":       {"node-9", "node-10", "node-11"},
		"node-[09-11].org":  {"node-09.org", "node-10.org", "node-11.org"},
		"r[1-2]-n[3-4]":     {"r1-n3", "r1-n4", "r2-n3", "r2-n4"},
		"node-[3-3]":        {"node-3"},
		"mx1.example.org":   {"mx1.example.org"},
		"[10-11].node":      {"10.node", "11.node"},
		"a[0-1]":            {"a0", "a1"},
		"a_b-[001-002]-c_d": {"a_b-001-c_d", "a_b-002-c_d"},
	} {
		have, err := ExpandIDs(pattern)
		if err != nil || !slices.Equal(want, have) {
			t.Errorf("%s: want %v, have %v, %v", pattern, want, have, err)
		}
	}
	for _, pattern := range []string{"", "[", "]", "node-[]", "node-[1]", "node-[1-]", "node-[-1]", "node-[a-b]", "node-[4-1]", "node-[1-4", "node-1-4]", "node-[1-99999]", "r[1-1000]-[1-1000]",
		"node-[01-4]", "node-[+1-4]", "node-[1--4]", "Node-1", "node 1", "-node", "nodé", "node-[1-4][", "[[1-2]]", strings.Repeat("a", 254)} {
		if ids, err := ExpandIDs(pattern); err == nil {
			t.Errorf("%q names %v", pattern, ids)
		}
	}
}

func TestDifferencesNameTheKeyAndBothValues(t *testing.T) {
	before, err := Parse("before.yaml", []byte(`
name: before
pools:
  - {name: imap, services: [imap], count: 2, where: {region: a, disk: ssd}}
  - {name: web, services: [webdav], weight: 2}
  - {name: old, services: [lmtp], count: 1}
services:
  - {name: imap, floor: 2}
policy: {max_moving: 25%}
`))
	if err != nil {
		t.Fatal(err)
	}
	after, err := Parse("after.yaml", []byte(`
name: after
pools:
  - {name: web, services: [webdav, jmap], count: 3, min: 0}
  - {name: imap, services: [imap], count: 4, where: {region: [a, b]}}
  - {name: new, services: [pop3], count: 1}
services:
  - {name: imap, floor: 2, drain: 90s, floors: [{min: 1, per: zone}], data: local}
policy: {max_moving: 25%, repair: off, rollout: {canary: 1}}
survives: {nodes: 1}
`))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, c := range Diff(before, after) {
		have = append(have, fmt.Sprintf("%s: %s → %s", c.GetPath(), c.GetBefore(), c.GetAfter()))
	}
	want := []string{
		"name: before → after",
		"pools.old: {name: old, services: [lmtp], count: 1} → ",
		"pools.web.services: [webdav] → [webdav, jmap]",
		"pools.web.count:  → 3",
		"pools.web.weight: 2 → ",
		"pools.web.min:  → 0",
		"pools.imap.count: 2 → 4",
		"pools.imap.where.disk: ssd → ",
		"pools.imap.where.region: a → [a, b]",
		"pools.new:  → {name: new, services: [pop3], count: 1}",
		"pools: [imap, web] → [web, imap]",
		"services.imap.floors:  → [{min: 1, per: zone}]",
		"services.imap.drain:  → 1m30s",
		"services.imap.data:  → local",
		`policy.repair:  → "off"`,
		"policy.rollout:  → {canary: 1}",
		"survives:  → {nodes: 1}",
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	if n := len(Diff(nil, after)); n == 0 {
		t.Error("a first topology differs from none in nothing")
	}
	if d := Diff(nil, nil); len(d) != 0 {
		t.Errorf("nothing differs from nothing in %v", d)
	}
}

func TestAFileForAnotherClusterIsRefusedWithItsLine(t *testing.T) {
	file := []byte("name: mine\ncluster: other\npools:\n  - {name: imap, services: [imap], count: 1}\n")
	_, err := ParseFor("mine.yaml", file, "example-mail")
	var fault *Error
	if !errors.As(err, &fault) || fault.Rule != ruleCluster || fault.Line != 2 || fault.Column != 10 {
		t.Errorf("have %v", err)
	}
	top, err := ParseFor("mine.yaml", file, "other")
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckCluster(top, "example-mail"); !errors.As(err, &fault) || fault.Path != "cluster" {
		t.Errorf("have %v", err)
	}
}

func TestADecodedTopologyIsHeldToTheSameRules(t *testing.T) {
	for name, top := range map[string]*v1.Topology{
		"none":          nil,
		"empty":         {},
		"empty pool":    {Name: "x", Pools: []*v1.Pool{nil}},
		"empty service": {Name: "x", Pools: []*v1.Pool{{Name: "a", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}}}, Services: []*v1.Service{nil}},
		"not expanded":  {Name: "x", Pools: []*v1.Pool{{Name: "a", Services: []string{"smtp"}, Size: &v1.Pool_Count{Count: 1}}}},
		"too fine":      {Name: "x", Pools: []*v1.Pool{{Name: "a", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}}}, Services: []*v1.Service{{Name: "imap", Drain: &durationpb.Duration{Seconds: 5, Nanos: 1}}}},
		"odd automation": {Name: "x", Pools: []*v1.Pool{{Name: "a", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}}},
			Policy: &v1.Policy{Repair: 17}},
		"odd way back": {Name: "x", Pools: []*v1.Pool{{Name: "a", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}}},
			Policy: &v1.Policy{Rollout: &v1.RolloutPolicy{Canary: 1, OnFail: 17}}},
		"empty floor": {Name: "x", Pools: []*v1.Pool{{Name: "a", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}}},
			Services: []*v1.Service{{Name: "imap", Floors: []*v1.Floor{nil}}}},
		"not built": {Name: "x", Pools: []*v1.Pool{{Name: "a", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: 1}}},
			Services: []*v1.Service{{Name: "imap", Exclusive: true}}},
	} {
		err := Validate(top)
		var fault *Error
		if !errors.As(err, &fault) {
			t.Errorf("%s: have %v", name, err)
			continue
		}
		if fault.Line != 0 || fault.File != "" || fault.Excerpt != "" {
			t.Errorf("%s: the fault has a place in a file: %+v", name, fault)
		}
		if top != nil && fault.Path == "" {
			t.Errorf("%s: the fault has no path: %+v", name, fault)
		}
	}
}

// TestHostileFilesCostNoMoreThanTheirSize counts what is allocated in all, live
// or not, for files that are made to cost much more than they weigh.
func TestHostileFilesCostNoMoreThanTheirSize(t *testing.T) {
	// fill repeats a text up to the bound of the size or that of the parts.
	fill := func(s string) string {
		signs := 0
		for _, r := range s {
			if isSign(r) {
				signs++
			}
		}
		return strings.Repeat(s, min((MaxSize-100)/len(s), (maxSigns-20)/max(signs, 1)))
	}
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 30 {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i, i, i, i, i, i)
	}
	const most = 400 << 20
	for name, c := range map[string]struct {
		file string
		most uint64
	}{
		"alias bomb":      {bomb, 4 << 20},
		"one megabyte":    {"# " + strings.Repeat("x", 1<<20), 5 << 20},
		"open brackets":   {fill("["), most},
		"open braces":     {fill("{a: "), most},
		"dashes":          {fill("- "), most},
		"keys":            {fill("a: b\n"), most},
		"deep keys":       {"a:\n " + fill("b:\n  "), most},
		"entries":         {"a: [" + fill("a,"), most},
		"comments":        {fill("#\n"), most},
		"new lines":       {fill("\n"), most},
		"quotes":          {fill(`""`), most},
		"question marks":  {fill("? "), most},
		"colons":          {fill(": "), most},
		"anchors":         {fill("&a "), most},
		"one long word":   {fill("x"), most},
		"one long string": {`name: "` + fill("x") + `"`, most},
		"folded":          {"name: >\n" + fill("  x\n"), most},
		"headers":         {fill("---\n"), most},
		"too many parts":  {strings.Repeat("- ", maxSigns), most},
		"pools":           {"name: x\npools:\n" + fill("- {}\n"), most},
		"wrong ids":       {"name: x\npools: [{name: a, services: [imap], count: 1, nodes: [" + strings.Repeat("A, ", maxIDPatterns-1) + "A]}]\n", most},
		"wrong values":    {"name: x\npools: [" + fill("1, ") + "1]\n", most},
		"equal ids":       {"name: x\npools: [{name: a, services: [imap], count: 1, nodes: [" + strings.Repeat("a, ", maxIDPatterns-1) + "a]}]\n", most},
		"wide range":      {"name: x\npools:\n  - {name: a, services: [imap], count: 1, nodes: [\"a[1-9999][1-9999][1-9999]\"]}\n", 4 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Parse("hostile.yaml", []byte(c.file))
			runtime.ReadMemStats(&after)
			var fault *Error
			if !errors.As(err, &fault) {
				t.Errorf("have %v", err)
			}
			if spent := after.TotalAlloc - before.TotalAlloc; spent > c.most {
				t.Errorf("%d MiB were allocated", spent>>20)
			}
			t.Logf("%d KiB, %s", (after.TotalAlloc-before.TotalAlloc)>>10, fault.Message)
		})
	}
}
