package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrNotOwn says that a certificate is not of the party that is to show it.
var ErrNotOwn = errors.New("not the own certificate")

// CheckMember says whether the files are those of one member: its name, its
// cluster, issued by the authority beside it, for both ends of a connection.
// That the certificate has expired is no fault here: it must not keep a member
// from starting, and each handshake judges it anew.
func (f Files) CheckMember(cluster, name string) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	want := Identity{Cluster: cluster, Role: Member, Name: name}
	switch {
	case c.identity.Role != Member:
		return fmt.Errorf("certificate %s: %w: %w: it says %s, this is member %s of cluster %s: issue one with `roster certs member %s`",
			f.Cert, ErrNotOwn, ErrWrongRole, c.identity, name, cluster, name)
	case c.identity.Cluster != cluster:
		return fmt.Errorf("certificate %s: %w: %w: it says %s, this is member %s of cluster %s: name that cluster's files",
			f.Cert, ErrNotOwn, ErrWrongCluster, c.identity, name, cluster)
	case c.identity != want:
		return fmt.Errorf("certificate %s: %w: it is for %s, this is member %s: issue one with `roster certs member %s`, or name the data folder of member %s",
			f.Cert, ErrNotOwn, c.identity, name, name, c.identity.Name)
	}
	return c.chain(f)
}

// chain judges the certificate against the authority as of its own time.
func (c *credentials) chain(f Files) error {
	now := time.Now()
	if leaf := c.cert.Leaf; now.After(leaf.NotAfter) {
		now = leaf.NotAfter
	} else if now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	between := x509.NewCertPool()
	for _, der := range c.cert.Certificate[1:] {
		more, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("certificate %s: %w", f.Cert, err)
		}
		between.AddCert(more)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := c.cert.Leaf.Verify(x509.VerifyOptions{
			Roots: c.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if err == nil {
			continue
		}
		if fault := chainFault(c.cert.Leaf, err); !errors.Is(fault, ErrExpired) {
			return fmt.Errorf("certificate %s does not belong to the authority in %s: %w", f.Cert, f.CA, fault)
		}
	}
	return nil
}
