package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Why a certificate is not trusted. Each is told apart, since each has another
// mend.
var (
	// ErrNoCertificate: the peer showed none.
	ErrNoCertificate = errors.New("no certificate was shown")
	// ErrUntrusted: it was not issued by the cluster's authority.
	ErrUntrusted = errors.New("certificate was not issued by the cluster's authority")
	// ErrExpired: it is past its time, or before it.
	ErrExpired = errors.New("certificate is not valid now")
	// ErrWrongCluster: it belongs to another cluster.
	ErrWrongCluster = errors.New("certificate belongs to another cluster")
	// ErrWrongRole: its role is not accepted here.
	ErrWrongRole = errors.New("certificate has the wrong role")
)

// trust is what one side of a connection asks of the other.
type trust struct {
	cluster string
	// roles that are accepted; empty: every role.
	roles []Role
	usage x509.ExtKeyUsage
}

// check judges the peer's chain, leaf first: issued by a root of the pool, valid
// now, one identity, of the cluster and of an accepted role.
func (t trust) check(chain []*x509.Certificate, roots *x509.CertPool) (Identity, error) {
	if len(chain) == 0 {
		return Identity{}, ErrNoCertificate
	}
	leaf := chain[0]
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: between,
		KeyUsages:     []x509.ExtKeyUsage{t.usage},
	})
	if err != nil {
		return Identity{}, chainFault(leaf, err)
	}
	return t.checkIdentity(leaf)
}

// checkIdentity judges the name in a certificate whose chain is verified.
func (t trust) checkIdentity(leaf *x509.Certificate) (Identity, error) {
	id, err := FromCertificate(leaf)
	if err != nil {
		return Identity{}, err
	}
	if id.Cluster != t.cluster {
		return Identity{}, fmt.Errorf("%w: it says %s, this is cluster %q", ErrWrongCluster, id, t.cluster)
	}
	if len(t.roles) == 0 {
		return id, nil
	}
	for _, r := range t.roles {
		if id.Role == r {
			return id, nil
		}
	}
	return Identity{}, fmt.Errorf("%w: it says %s, accepted here: %s", ErrWrongRole, id, roleWords(t.roles))
}

// chainFault says in our words why x509 did not accept a chain.
func chainFault(leaf *x509.Certificate, err error) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: %s: valid from %s to %s; issue a new one", ErrExpired, describe(leaf),
			leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: %s: issued by %q", ErrUntrusted, describe(leaf), leaf.Issuer.CommonName)
	}
	return fmt.Errorf("%w: %s: %w", ErrUntrusted, describe(leaf), err)
}

// describe names a certificate by its identity, or its subject.
func describe(cert *x509.Certificate) string {
	if id, err := FromCertificate(cert); err == nil {
		return id.URI()
	}
	return fmt.Sprintf("subject %q", cert.Subject.CommonName)
}

func roleWords(roles []Role) string {
	words := ""
	for i, r := range roles {
		if i > 0 {
			words += ", "
		}
		words += string(r)
	}
	return words
}
