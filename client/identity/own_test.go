package identity

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAMemberShowsItsOwnCertificateOnly(t *testing.T) {
	a := authority(t, "example-mail")
	own := issue(t, a, Member, "m1", Issue{})
	if err := own.CheckMember("example-mail", "m1"); err != nil {
		t.Error(err)
	}
	old := issue(t, a, Member, "m1", Issue{NotBefore: time.Now().Add(-48 * time.Hour), Validity: time.Hour})
	if err := old.CheckMember("example-mail", "m1"); err != nil {
		t.Errorf("an expired one, which handshakes refuse, keeps the member from starting: %v", err)
	}
	mixed := own
	mixed.CA = issue(t, authority(t, "example-mail"), Member, "m1", Issue{}).CA
	for name, c := range map[string]struct {
		files Files
		want  error
		says  string
	}{
		"an agent's":            {issue(t, a, Agent, "m1", Issue{}), ErrWrongRole, "roster certs member m1"},
		"another member's":      {issue(t, a, Member, "m2", Issue{}), ErrNotOwn, "it is for roster://example-mail/member/m2, this is member m1"},
		"another cluster's":     {issue(t, authority(t, "other"), Member, "m1", Issue{}), ErrWrongCluster, "this is member m1 of cluster example-mail"},
		"another authority's":   {mixed, ErrUntrusted, "does not belong to the authority in " + mixed.CA},
		"one that is not there": {Files{CA: own.CA, Cert: own.Cert + "x", Key: own.Key}, nil, "read certificate"},
	} {
		err := c.files.CheckMember("example-mail", "m1")
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
