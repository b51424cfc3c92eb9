package identity

import (
	"bytes"
	"os"
	"testing"
)

// replace puts new content in a file's place, as a rotation does.
func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func rotate(t *testing.T, a *Authority, f Files, role Role, name string) {
	t.Helper()
	c, err := a.Issue(role, name, Issue{})
	if err != nil {
		t.Fatal(err)
	}
	replace(t, f.Key, c.KeyPEM)
	replace(t, f.Cert, c.CertPEM)
}

func TestAWholeAuthorityIsReplacedWithoutARestart(t *testing.T) {
	first, second := authority(t, "c"), authority(t, "c")
	member, user := issue(t, first, Member, "m1", Issue{}), issue(t, first, User, "x", Issue{})
	address, results := echo(t, server(t, member, "c"))
	mine := caller(t, user, "c")
	must := func(step string) {
		t.Helper()
		err := call(t, address, mine)
		if h := <-results; err != nil || h.err != nil {
			t.Fatalf("%s: %v, %v", step, err, h.err)
		}
	}
	must("as issued")
	both := append(bytes.Clone(first.CAPEM()), second.CAPEM()...)
	replace(t, member.CA, both)
	replace(t, user.CA, both)
	must("both authorities trusted")
	rotate(t, second, member, Member, "m1")
	must("member's certificate is new")
	rotate(t, second, user, User, "x")
	must("user's certificate is new")
	replace(t, member.CA, second.CAPEM())
	replace(t, user.CA, second.CAPEM())
	must("old authority gone")

	stale := caller(t, issue(t, first, User, "x", Issue{}), "c")
	stale.VerifyConnection = nil
	if err := call(t, address, stale); err == nil {
		t.Error("a certificate of the old authority still comes through")
	}
	if h := <-results; h.err == nil {
		t.Error("the server still trusts the old authority")
	}
}

func TestARotationThatIsHalfDoneChangesNothing(t *testing.T) {
	a := authority(t, "c")
	member := issue(t, a, Member, "m1", Issue{})
	address, results := echo(t, server(t, member, "c"))
	mine := caller(t, issue(t, a, User, "x", Issue{}), "c")
	must := func(step string) {
		t.Helper()
		err := call(t, address, mine)
		if h := <-results; err != nil || h.err != nil {
			t.Fatalf("%s: %v, %v", step, err, h.err)
		}
	}
	good, err := os.ReadFile(member.Key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue(Member, "m1", Issue{})
	if err != nil {
		t.Fatal(err)
	}
	replace(t, member.Key, c.KeyPEM)
	must("key without its certificate")
	replace(t, member.Key, good)
	must("former key")
	if err := os.Remove(member.Cert); err != nil {
		t.Fatal(err)
	}
	must("certificate gone")
	rotate(t, a, member, User, "m1")
	must("another identity in its place")
	rotate(t, a, member, Member, "m1")
	must("renewed")
}
