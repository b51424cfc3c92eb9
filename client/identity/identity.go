package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Scheme is the scheme of every identity's URI.
const Scheme = "roster"

// Role says what kind of party an identity is.
type Role string

// The roles that exist.
const (
	// Member is a control-plane server.
	Member Role = "member"
	// Agent speaks for the one node that has its name.
	Agent Role = "agent"
	// User is an operator or a script.
	User Role = "user"
)

// ErrInvalid says that something is not an identity.
var ErrInvalid = errors.New("not a Roster identity")

// Identity names one party of one cluster.
type Identity struct {
	// Cluster is the cluster's name, as given to init.
	Cluster string
	Role    Role
	// Name is a member's name, a node's id, or a user's name.
	Name string
}

// Roles lists the roles, for messages and completion.
func Roles() []Role { return []Role{Member, Agent, User} }

// ParseRole reads a role's word.
func ParseRole(word string) (Role, error) {
	for _, r := range Roles() {
		if word == string(r) {
			return r, nil
		}
	}
	return "", fmt.Errorf("%w: role %q is none of member, agent, user", ErrInvalid, word)
}

// IsZero says whether there is no identity at all.
func (i Identity) IsZero() bool { return i == Identity{} }

// URI is the identity as it stands in a certificate and in events.
func (i Identity) URI() string {
	return Scheme + "://" + i.Cluster + "/" + string(i.Role) + "/" + i.Name
}

// String is URI, and "nobody" for no identity.
func (i Identity) String() string {
	if i.IsZero() {
		return "nobody"
	}
	return i.URI()
}

// Validate reports everything that is wrong with the identity.
func (i Identity) Validate() error {
	_, role := ParseRole(string(i.Role))
	name := ValidateName(i.Name)
	if name == nil && i.Role == Agent && strings.ToLower(i.Name) != i.Name {
		name = fmt.Errorf("%w: name %q: an agent has its node's id, which has no capitals", ErrInvalid, i.Name)
	}
	return errors.Join(ValidateCluster(i.Cluster), role, name)
}

// Parse reads an identity's URI. It accepts exactly what URI writes.
func Parse(uri string) (Identity, error) {
	rest, ok := strings.CutPrefix(uri, Scheme+"://")
	if !ok {
		return Identity{}, fmt.Errorf("%w: %q does not begin with %s://", ErrInvalid, uri, Scheme)
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return Identity{}, fmt.Errorf("%w: %q is not %s://CLUSTER/ROLE/NAME", ErrInvalid, uri, Scheme)
	}
	id := Identity{Cluster: parts[0], Role: Role(parts[1]), Name: parts[2]}
	if err := id.Validate(); err != nil {
		return Identity{}, fmt.Errorf("identity %q: %w", uri, err)
	}
	return id, nil
}

// FromCertificate reads the identity in a certificate: its one URI SAN. A
// certificate with several URIs is refused, whatever they say, so that nobody
// has to choose which one counts.
func FromCertificate(cert *x509.Certificate) (Identity, error) {
	if n := len(cert.URIs); n != 1 {
		return Identity{}, fmt.Errorf("%w: certificate %q has %d URI names, it needs exactly one, %s://CLUSTER/ROLE/NAME",
			ErrInvalid, cert.Subject.CommonName, n, Scheme)
	}
	return Parse(rawURI(cert.URIs[0]))
}

// FromTLS reads the identity of the peer of a server's connection. It trusts
// only what crypto/tls verified against the authority.
func FromTLS(state tls.ConnectionState) (Identity, error) {
	if len(state.PeerCertificates) == 0 {
		return Identity{}, ErrNoCertificate
	}
	if len(state.VerifiedChains) == 0 {
		return Identity{}, ErrUntrusted
	}
	return FromCertificate(state.PeerCertificates[0])
}

// rawURI is the URI as it is in the certificate: anything that url.Parse took
// apart (user, query, fragment, escapes) is there again, and fails in Parse.
func rawURI(u *url.URL) string { return u.String() }

// ValidateCluster says whether a cluster may have this name: 1 to 63 lower-case
// letters, digits, `-` and `.`, a letter or digit at both ends and beside each
// `.`. It stands as a host in URIs, so nothing that reads as an IP address.
func ValidateCluster(name string) error {
	const rule = "use 1 to 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends and beside each '.'"
	if len(name) == 0 || len(name) > 63 {
		return fmt.Errorf("%w: cluster name %q: %s", ErrInvalid, name, rule)
	}
	for i := range len(name) {
		edge := i == 0 || i == len(name)-1 || name[i-1] == '.' || name[i+1] == '.'
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && (c != '-' && c != '.' || edge) {
			return fmt.Errorf("%w: cluster name %q: %s", ErrInvalid, name, rule)
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("%w: cluster name %q reads as an IP address: give it a name", ErrInvalid, name)
	}
	return nil
}

// ValidateName says whether a member, a node or a user may have this name: 1 to
// 253 ASCII letters, digits, `.`, `_`, `-` and `@`, beginning with a letter or
// digit. ASCII alone, so that no two names look alike.
func ValidateName(name string) error {
	const rule = "use 1 to 253 letters, digits, '.', '_', '-' and '@', beginning with a letter or digit"
	if len(name) == 0 || len(name) > 253 {
		return fmt.Errorf("%w: name %q: %s", ErrInvalid, name, rule)
	}
	for i := range len(name) {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-@", rune(c))) {
			return fmt.Errorf("%w: name %q: %s", ErrInvalid, name, rule)
		}
	}
	return nil
}
