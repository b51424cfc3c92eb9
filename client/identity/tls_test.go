package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEveryRoleOfTheClusterIsKnownByItsName(t *testing.T) {
	a := authority(t, "c")
	address, results := echo(t, server(t, issue(t, a, Member, "m1", Issue{}), "c"))
	for _, role := range Roles() {
		if err := call(t, address, caller(t, issue(t, a, role, "x", Issue{}), "")); err != nil {
			t.Errorf("%s: %v", role, err)
		}
		if h := <-results; h.err != nil || h.caller != (Identity{"c", role, "x"}) {
			t.Errorf("%s is known as %v, %v", role, h.caller, h.err)
		}
	}
}

func TestAPortForMembersTurnsAgentsAway(t *testing.T) {
	a := authority(t, "c")
	address, results := echo(t, server(t, issue(t, a, Member, "m1", Issue{}), "c", Member))
	if err := call(t, address, caller(t, issue(t, a, Member, "m2", Issue{}), "c")); err != nil {
		t.Errorf("a member: %v", err)
	}
	if h := <-results; h.err != nil {
		t.Errorf("a member: %v", h.err)
	}
	for _, role := range []Role{Agent, User} {
		if err := call(t, address, caller(t, issue(t, a, role, "x", Issue{}), "c")); err == nil {
			t.Errorf("%s: came through", role)
		}
		if h := <-results; !errors.Is(h.err, ErrWrongRole) {
			t.Errorf("%s: %v", role, h.err)
		}
	}
}

func TestACallerAcceptsMembersOfItsClusterOnly(t *testing.T) {
	a, twin, other := authority(t, "c"), authority(t, "c"), authority(t, "d")
	mine := caller(t, issue(t, a, User, "x", Issue{}), "c")
	expired := Issue{NotBefore: time.Now().Add(-48 * time.Hour), Validity: time.Hour}
	for name, tt := range map[string]struct {
		authority *Authority
		role      Role
		with      Issue
		want      error
	}{
		"a member":              {a, Member, Issue{}, nil},
		"an expired member":     {a, Member, expired, ErrExpired},
		"a member of later":     {a, Member, Issue{NotBefore: time.Now().Add(time.Hour)}, ErrExpired},
		"another authority":     {twin, Member, Issue{}, ErrUntrusted},
		"another cluster":       {other, Member, Issue{}, ErrUntrusted},
		"an agent that listens": {a, Agent, Issue{}, ErrUntrusted},
	} {
		c, err := tt.authority.Issue(tt.role, "m", tt.with)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		address, results := echo(t, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}})
		err = call(t, address, mine)
		<-results
		if tt.want == nil && err != nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// outside is an authority that Roster did not make: no constraint, any cluster.
func outside(t *testing.T) *Authority {
	t.Helper()
	key, serial, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &Authority{cluster: "c", cert: cert, key: key}
}

func TestOneOutsideAuthorityForTwoClustersKeepsThemApart(t *testing.T) {
	a := outside(t)
	b := *a
	b.cluster = "d"
	address, results := echo(t, server(t, issue(t, a, Member, "m1", Issue{}), "c"))

	if err := call(t, address, caller(t, issue(t, a, User, "x", Issue{}), "c")); err != nil {
		t.Errorf("own cluster: %v", err)
	}
	<-results
	// The caller notices first.
	err := call(t, address, caller(t, issue(t, &b, User, "x", Issue{}), "d"))
	if !errors.Is(err, ErrWrongCluster) {
		t.Errorf("caller of d at a member of c: %v", err)
	}
	<-results
	// A caller that does not look is turned away.
	loose := caller(t, issue(t, &b, User, "x", Issue{}), "d")
	loose.VerifyConnection = nil
	if err := call(t, address, loose); err == nil {
		t.Error("a caller of another cluster came through")
	}
	if h := <-results; !errors.Is(h.err, ErrWrongCluster) {
		t.Errorf("server says %v", h.err)
	}
}

func TestAnAgentThatListensIsNoMemberEvenWithAServersCertificate(t *testing.T) {
	a := outside(t)
	key, serial, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("roster://c/agent/n1")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := sign(&x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, URIs: []*url.URL{u},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	address, results := echo(t, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}},
	})
	if err := call(t, address, caller(t, issue(t, a, User, "x", Issue{}), "c")); !errors.Is(err, ErrWrongRole) {
		t.Errorf("%v", err)
	}
	<-results
}

func TestAServerTurnsAwayWhoeverIsNotOfTheCluster(t *testing.T) {
	a, twin := authority(t, "c"), authority(t, "c")
	address, results := echo(t, server(t, issue(t, a, Member, "m1", Issue{}), "c"))
	present := func(auth *Authority, with Issue) []tls.Certificate {
		c, err := auth.Issue(User, "x", with)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	two := func() []tls.Certificate {
		key, serial, err := newKey()
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse("roster://c/user/x")
		if err != nil {
			t.Fatal(err)
		}
		admin, err := url.Parse("roster://c/member/m1")
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := sign(&x509.Certificate{
			SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{u, admin},
		}, a.cert, key.Public(), a.key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}
	}()
	for name, tt := range map[string]struct {
		certs   []tls.Certificate
		version uint16
		want    string
	}{
		"no certificate":    {nil, 0, "didn't provide a certificate"},
		"another authority": {present(twin, Issue{}), 0, "unknown authority"},
		"expired":           {present(a, Issue{NotBefore: time.Now().Add(-48 * time.Hour), Validity: time.Hour}), 0, "expired"},
		"two identities":    {two, 0, "2 URI names"},
		"TLS 1.2":           {present(a, Issue{}), tls.VersionTLS12, "unsupported versions"},
	} {
		// A caller that checks nothing itself, so that the server has to.
		err := call(t, address, &tls.Config{InsecureSkipVerify: true, Certificates: tt.certs, MaxVersion: tt.version}) //nolint:gosec // see above
		if err == nil {
			t.Errorf("%s: came through", name)
		}
		if h := <-results; h.err == nil || !strings.Contains(h.err.Error(), tt.want) {
			t.Errorf("%s: server says %v, want %q", name, h.err, tt.want)
		}
	}
}

func TestACallerWithAnExpiredCertificateIsToldSoByItself(t *testing.T) {
	a := authority(t, "c")
	address, results := echo(t, server(t, issue(t, a, Member, "m1", Issue{}), "c"))
	old := issue(t, a, User, "x", Issue{NotBefore: time.Now().Add(-48 * time.Hour), Validity: time.Hour})
	err := call(t, address, caller(t, old, "c"))
	if !errors.Is(err, ErrExpired) || !strings.Contains(err.Error(), old.Cert) {
		t.Errorf("%v", err)
	}
	<-results
}

func TestFilesThatCannotServeAreRefusedAtTheStart(t *testing.T) {
	a := authority(t, "c")
	agent, member, other := issue(t, a, Agent, "n1", Issue{}), issue(t, a, Member, "m1", Issue{}), issue(t, a, Member, "m2", Issue{})
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		files   Files
		cluster string
		want    string
	}{
		"an agent's certificate": {agent, "c", "a server shows a member's"},
		"another cluster":        {member, "d", "certificate belongs to another cluster"},
		"key of another":         {Files{member.CA, member.Cert, other.Key}, "c", "private key does not match"},
		"no key":                 {Files{CA: member.CA, Cert: member.Cert}, "c", "no file is named for the private key"},
		"no authority":           {Files{garbage, member.Cert, member.Key}, "c", "no PEM block CERTIFICATE"},
		"a leaf as authority":    {Files{member.Cert, member.Cert, member.Key}, "c", "is no authority"},
		"missing file":           {Files{member.CA + "x", member.Cert, member.Key}, "c", "no such file"},
	} {
		if _, err := ServerTLS(tt.files, tt.cluster); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if err := (Files{}).Validate(); strings.Count(err.Error(), "no file is named") != 3 {
		t.Errorf("Validate: %v", err)
	}
}

func TestFromTLSTrustsVerifiedConnectionsOnly(t *testing.T) {
	c, err := authority(t, "c").Issue(User, "x", Issue{})
	if err != nil {
		t.Fatal(err)
	}
	leaf := leafOf(t, c.CertPEM)
	if id, err := FromTLS(tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("unverified: %v, %v", id, err)
	}
	if _, err := FromTLS(tls.ConnectionState{}); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("none: %v", err)
	}
}

func TestOtherProgramsConnectByTheHostsOfACertificate(t *testing.T) {
	a := authority(t, "c")
	address, results := echo(t, server(t, issue(t, a, Member, "m1", Issue{Hosts: []string{"mx.example.org"}}), "c"))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.CAPEM())
	c, err := a.Issue(User, "x", Issue{})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	for host, ok := range map[string]bool{"mx.example.org": true, "elsewhere.example.org": false} {
		err := call(t, address, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: host, Certificates: []tls.Certificate{pair}})
		<-results
		if (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}
