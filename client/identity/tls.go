package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ServerTLS is the configuration of a listener of the given cluster. It shows
// the certificate in the files, which must be a member's, and accepts clients
// that show one of the cluster; with roles given, only those. The Raft port
// passes Member, so that no agent's certificate can speak Raft.
//
// An empty cluster means the one in the certificate. The caller's identity is
// FromTLS of the connection's state.
func ServerTLS(files Files, cluster string, roles ...Role) (*tls.Config, error) {
	return serverTLS(files, cluster, tls.RequireAndVerifyClientCert, nil, roles)
}

// WebTLS is ServerTLS for an HTTP port: a client may show no certificate, and
// is nobody then. What nobody may see is the port's own to say.
func WebTLS(files Files, cluster string) (*tls.Config, error) {
	return serverTLS(files, cluster, tls.VerifyClientCertIfGiven, []string{"h2", "http/1.1"}, nil)
}

func serverTLS(files Files, cluster string, clients tls.ClientAuthType, protocols []string, roles []Role) (*tls.Config, error) {
	s, cluster, err := open(files, cluster)
	if err != nil {
		return nil, fmt.Errorf("server's certificate: %w", err)
	}
	if s.good.identity.Role != Member {
		return nil, fmt.Errorf("server's certificate %s: %w: it says %s, a server shows a member's",
			files.Cert, ErrWrongRole, s.good.identity)
	}
	want := trust{cluster: cluster, roles: roles, usage: x509.ExtKeyUsageClientAuth}
	base := &tls.Config{MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := s.now()
		return &tls.Config{
			MinVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{*now.cert},
			ClientAuth:   clients,
			NextProtos:   protocols,
			ClientCAs:    now.roots,
			// A resumed session would keep a trust that rotation took away.
			SessionTicketsDisabled: true,
			VerifyConnection: func(cs tls.ConnectionState) error {
				if clients == tls.VerifyClientCertIfGiven && len(cs.PeerCertificates) == 0 {
					return nil
				}
				_, err := want.check(cs.PeerCertificates, now.roots)
				return err
			},
		}, nil
	}
	return base, nil
}

// ClientTLS is the configuration of a caller of the given cluster. It shows the
// certificate in the files, whatever its role, and accepts members of the
// cluster only. Host names do not matter: a member is known by its identity.
//
// An empty cluster means the one in the certificate.
func ClientTLS(files Files, cluster string) (*tls.Config, error) {
	s, cluster, err := open(files, cluster)
	if err != nil {
		return nil, fmt.Errorf("own certificate: %w", err)
	}
	want := trust{cluster: cluster, roles: []Role{Member}, usage: x509.ExtKeyUsageServerAuth}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// crypto/tls would compare host names. VerifyConnection checks the chain
		// against the authority and the identity instead; it runs on every
		// handshake and cannot be skipped.
		InsecureSkipVerify: true, //nolint:gosec // replaced by VerifyConnection
		VerifyConnection: func(cs tls.ConnectionState) error {
			if _, err := want.check(cs.PeerCertificates, s.now().roots); err != nil {
				return fmt.Errorf("server is not trusted: %w", err)
			}
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert := s.now().cert
			if err := current(cert.Leaf, time.Now()); err != nil {
				// Said here, since the server's alert would not say which.
				return nil, fmt.Errorf("own certificate %s: %w", files.Cert, err)
			}
			return cert, nil
		},
	}, nil
}

// open reads the files for a cluster and settles which one it is.
func open(files Files, cluster string) (*store, string, error) {
	s, err := newStore(files)
	if err != nil {
		return nil, "", err
	}
	id := s.good.identity
	if cluster == "" {
		cluster = id.Cluster
	}
	if err := ValidateCluster(cluster); err != nil {
		return nil, "", err
	}
	if id.Cluster != cluster {
		return nil, "", fmt.Errorf("%s: %w: it says %s, this is cluster %q", files.Cert, ErrWrongCluster, id, cluster)
	}
	return s, cluster, nil
}

// current says whether a certificate is valid at a time.
func current(leaf *x509.Certificate, now time.Time) error {
	if leaf == nil {
		return errors.New("certificate was not parsed")
	}
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return fmt.Errorf("%w: %s: valid from %s to %s; issue a new one", ErrExpired, describe(leaf),
			leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}
