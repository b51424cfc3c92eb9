package topology

import (
	"slices"
	"testing"

	v1 "roster/proto/roster/v1"
)

func TestAPoolThatNobodyNamedIsCalledAfterItsServices(t *testing.T) {
	all := []string{"webdav", "imap", "jmap", "smtp-inbound", "smtp-outbound", "submission", "pop3", "managesieve", "lmtp"}
	for _, c := range []struct {
		services []string
		want     string
	}{
		{[]string{"imap"}, "imap"},
		{[]string{"smtp-inbound", "imap", "imap"}, "imap-smtp-inbound"},
		{nil, ""},
	} {
		if got := PoolName(c.services); got != c.want {
			t.Errorf("pool of %v: %q, want %q", c.services, got, c.want)
		}
	}
	long := PoolName(all)
	if err := CheckName(long); err != nil {
		t.Errorf("%q: %v", long, err)
	}
	again := slices.Clone(all)
	slices.Reverse(again)
	if PoolName(again) != long || PoolName(all[:8]) == long || all[0] != "webdav" {
		t.Errorf("%q, %q, %q", long, PoolName(again), PoolName(all[:8]))
	}
	if err := Validate(&v1.Topology{Name: "all", Pools: []*v1.Pool{{Name: long, Services: all, Size: &v1.Pool_Count{Count: 1}}}}); err != nil {
		t.Error(err)
	}
}
