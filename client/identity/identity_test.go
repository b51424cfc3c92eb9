package identity

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAnIdentityIsReadExactlyAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := Identity{
			Cluster: rapid.StringMatching(`[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?){0,2}`).Draw(t, "cluster"),
			Role:    rapid.SampledFrom(Roles()).Draw(t, "role"),
			Name:    rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._@-]{0,40}`).Draw(t, "name"),
		}
		if id.Role == Agent {
			id.Name = strings.ToLower(id.Name)
		}
		got, err := Parse(id.URI())
		if err != nil || got != id {
			t.Fatalf("Parse(%q) = %v, %v", id.URI(), got, err)
		}
		// What a certificate carries went through net/url.
		u, err := url.Parse(id.URI())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := FromCertificate(&x509.Certificate{URIs: []*url.URL{u}}); err != nil || got != id {
			t.Fatalf("from a certificate: %v, %v", got, err)
		}
	})
}

func TestWhatIsNoIdentityIsRefused(t *testing.T) {
	for _, uri := range []string{
		"", "roster://", "roster://a", "roster://a/user", "roster://a/user/", "roster://a//x", "roster:///user/x",
		"roster://a/admin/x", "roster://a/User/x", "Roster://a/user/x", "spiffe://a/user/x", "roster://a/user/x/y",
		"roster://a/user/x/", "roster://A/user/x", "roster://a:1/user/x", "roster://u@a/user/x", "roster://a/user/x?y",
		"roster://a/user/x#y", "roster://a/user/x y", "roster://a/user/%78", "roster://a/user/\u0430lice", "roster://a/user/-x",
		"roster://127.0.0.1/user/x", "roster://-a/user/x", "roster://a-/user/x", "roster://a..b/user/x", "roster://a.-b/user/x", "roster://a-.b/user/x", "roster://.a/user/x", "roster://a/agent/Node-1", "roster://a_b/user/x",
		"roster://" + strings.Repeat("a", 64) + "/user/x", "roster://a/user/" + strings.Repeat("x", 254), "roster://a/user/x\n",
	} {
		if id, err := Parse(uri); !errors.Is(err, ErrInvalid) {
			t.Errorf("Parse(%q) = %v, %v", uri, id, err)
		}
	}
}

func TestACertificateHasExactlyOneURI(t *testing.T) {
	one, err := url.Parse("roster://c/user/alice")
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse("https://example.org")
	if err != nil {
		t.Fatal(err)
	}
	for name, uris := range map[string][]*url.URL{
		"none": nil, "the same twice": {one, one}, "a second of another kind": {one, other}, "another kind first": {other, one},
	} {
		if id, err := FromCertificate(&x509.Certificate{URIs: uris}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
}

func TestValidateReportsAllFaultsAtOnce(t *testing.T) {
	err := Identity{Cluster: "No", Role: "boss", Name: "ä"}.Validate()
	for _, want := range []string{"No", "boss", "ä"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
}
