package client_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/client/identity"
)

func authority(t *testing.T, cluster string) *identity.Authority {
	t.Helper()
	a, err := identity.NewAuthority(cluster, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// files are a certificate of one authority, and the authority that its owner
// trusts.
func files(t *testing.T, from, trusts *identity.Authority, role identity.Role, name string, with identity.Issue) identity.Files {
	t.Helper()
	dir := t.TempDir()
	f := identity.Files{CA: filepath.Join(dir, "ca"), Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	c, err := from.Issue(role, name, with)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.CA, trusts.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// secure runs a member with certificates.
func secure(t *testing.T, f identity.Files, roles ...identity.Role) *fake {
	t.Helper()
	config, err := identity.ServerTLS(f, "", roles...)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, grpc.Creds(credentials.NewTLS(config)))
}

func clientTLS(t *testing.T, f identity.Files) *tls.Config {
	t.Helper()
	config, err := identity.ClientTLS(f, "")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestACallOverTLSGoesThrough(t *testing.T) {
	a := authority(t, "c")
	m1 := secure(t, files(t, a, a, identity.Member, "m1", identity.Issue{}))
	m2 := secure(t, files(t, a, a, identity.Member, "m2", identity.Issue{}))
	c := newClient(t, client.Config{
		Members: []string{m1.address, m2.address}, TLS: clientTLS(t, files(t, a, a, identity.User, "x", identity.Issue{})),
	})
	begin(t, c, m1.address)
	if who, err := get(within(t, patient), c); err != nil || who != m1.address {
		t.Fatalf("%s, %v", who, err)
	}
	m1.kill()
	if who, err := get(within(t, patient), c); err != nil || who != m2.address {
		t.Fatalf("%s, %v", who, err)
	}
}

func TestOneMemberWithABadCertificateDoesNotStopACall(t *testing.T) {
	a := authority(t, "c")
	old := identity.Issue{NotBefore: time.Now().Add(-48 * time.Hour), Validity: time.Hour}
	bad := secure(t, files(t, a, a, identity.Member, "m1", old))
	good := secure(t, files(t, a, a, identity.Member, "m2", identity.Issue{}))
	c := newClient(t, client.Config{
		Members: []string{bad.address, good.address}, TLS: clientTLS(t, files(t, a, a, identity.User, "x", identity.Issue{})),
	})
	begin(t, c, bad.address)
	if who, err := get(within(t, patient), c); err != nil || who != good.address {
		t.Fatalf("%s, %v", who, err)
	}
}

// A want of trust does not pass by itself: the call ends at once, long before
// its deadline, and says what is wrong.
func TestWhereNobodyTrustsTheCallEndsAtOnceAndSaysWhy(t *testing.T) {
	a, twin := authority(t, "c"), authority(t, "c")
	other := authority(t, "d")
	now := identity.Issue{}
	old := identity.Issue{NotBefore: time.Now().Add(-48 * time.Hour), Validity: time.Hour}
	member := func() *fake { return secure(t, files(t, a, a, identity.Member, "m1", now)) }
	for name, tt := range map[string]struct {
		server *fake
		tls    *tls.Config
		want   string
	}{
		"own certificate expired":      {member(), clientTLS(t, files(t, a, a, identity.User, "x", old)), "certificate is not valid now: roster://c/user/x"},
		"member's certificate expired": {secure(t, files(t, a, a, identity.Member, "m1", old)), clientTLS(t, files(t, a, a, identity.User, "x", now)), "server is not trusted: certificate is not valid now: roster://c/member/m1"},
		"another cluster":              {secure(t, files(t, other, other, identity.Member, "m1", now)), clientTLS(t, files(t, a, a, identity.User, "x", now)), "not issued by the cluster's authority: roster://d/member/m1"},
		"not issued by its authority":  {member(), clientTLS(t, files(t, twin, a, identity.User, "x", now)), "the member refused this certificate: it was not issued by the cluster's authority"},
		"role not accepted":            {secure(t, files(t, a, a, identity.Member, "m1", now), identity.Member), clientTLS(t, files(t, a, a, identity.Agent, "n1", now)), "its role is not accepted there"},
		"no certificate":               {member(), &tls.Config{InsecureSkipVerify: true}, "the member asks for a certificate"},                            //nolint:gosec // the member has to notice
		"TLS 1.2":                      {member(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}, "the member speaks TLS 1.3 only"}, //nolint:gosec // as above
		"a member without TLS":         {start(t), clientTLS(t, files(t, a, a, identity.User, "x", now)), "the member runs without certificates: leave out --ca, --cert and --key"},
	} {
		c := newClient(t, client.Config{Members: []string{tt.server.address}, TLS: tt.tls})
		ctx := within(t, time.Hour)
		_, err := get(ctx, c)
		if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.server.address) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if status.Code(err) != codes.Unauthenticated || client.ExitCode(err) != client.ExitError {
			t.Errorf("%s: code %s, exit %d", name, status.Code(err), client.ExitCode(err))
		}
	}
}

func TestACertificateThatIsReplacedIsUsedFromTheNextConnectionOn(t *testing.T) {
	a := authority(t, "c")
	m := secure(t, files(t, a, a, identity.Member, "m1", identity.Issue{}))
	mine := files(t, a, a, identity.User, "x", identity.Issue{NotBefore: time.Now().Add(-48 * time.Hour), Validity: time.Hour})
	c := newClient(t, client.Config{Members: []string{m.address}, TLS: clientTLS(t, mine)})
	if _, err := get(within(t, patient), c); status.Code(err) != codes.Unauthenticated {
		t.Fatalf("expired: %v", err)
	}
	fresh, err := a.Issue(identity.User, "x", identity.Issue{})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{mine.Key: fresh.KeyPEM, mine.Cert: fresh.CertPEM} {
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	// The connection backs off for a moment before it tries the new one.
	deadline := time.Now().Add(patient)
	for {
		_, err := get(within(t, patient), c)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
