package placement

import (
	"testing"

	v1 "roster/proto/roster/v1"
)

func floorIn(least uint32, key string, values ...string) *v1.Floor {
	return &v1.Floor{Min: least, Where: map[string]*v1.LabelValues{key: {Values: values}}}
}

// Ten nodes, three of them in region a. Spread alone would put one of three
// members into each region.
func TestMembersAreChosenForFloorsOverPartsBeforeSpread(t *testing.T) {
	top := topologyOf(spread(count("imap", 3, "imap"), "region"))
	top.Services = []*v1.Service{{Name: "imap", Floors: []*v1.Floor{floorIn(2, "region", "a")}}}
	if got := seats(place(t, top, tenNodes())); got != "imap: node-1 node-2 node-4" {
		t.Error(got)
	}
}

func TestPoolsOfOneServiceShareAFloorOverAPart(t *testing.T) {
	top := topologyOf(count("first", 1, "imap", "jmap"), spread(count("second", 3, "imap"), "region"))
	top.Services = []*v1.Service{{Name: "imap", Floors: []*v1.Floor{floorIn(3, "region", "c")}}}
	if got := seats(place(t, top, tenNodes())); got != "first: node-7; second: node-1 node-8 node-9" {
		t.Error(got)
	}
}

func TestAPartThatCannotHaveItsFloorGetsWhatItCan(t *testing.T) {
	top := topologyOf(spread(count("imap", 5, "imap"), "zone"))
	top.Services = []*v1.Service{{Name: "imap", Floors: []*v1.Floor{floorIn(9, "region", "b")}}}
	if got := seats(place(t, top, tenNodes())); got != "imap: node-1 node-3 node-4 node-5 node-6" {
		t.Error(got)
	}
}
