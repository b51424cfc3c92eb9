package identity

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are the three PEM files that prove an identity. They are read again
// when they change, so replacing them is all that a rotation needs. Replace each
// by a rename; while the three do not fit together, the last good ones stay in
// use.
type Files struct {
	// CA is the authority's certificate; several, while an authority is replaced.
	CA string
	// Cert is the certificate, followed by intermediate ones if there are any.
	Cert string
	// Key is the certificate's private key.
	Key string
}

// IsZero says whether no file is named: no TLS.
func (f Files) IsZero() bool { return f == Files{} }

// Validate reports every file that is not named.
func (f Files) Validate() error {
	var errs []error
	for _, one := range []struct{ what, path string }{
		{"authority's certificate", f.CA}, {"certificate", f.Cert}, {"private key", f.Key},
	} {
		if one.path == "" {
			errs = append(errs, fmt.Errorf("no file is named for the %s: certificate, key and authority go together", one.what))
		}
	}
	return errors.Join(errs...)
}

// Identity reads the files and says whose they are.
func (f Files) Identity() (Identity, error) {
	c, err := f.load()
	if err != nil {
		return Identity{}, err
	}
	return c.identity, nil
}

// credentials are the contents of Files that fit together.
type credentials struct {
	identity Identity
	cert     *tls.Certificate
	roots    *x509.CertPool
}

// load reads the files and checks that they fit together. An expired
// certificate is loaded: it must not keep a member from starting, and each
// handshake judges it anew.
func (f Files) load() (*credentials, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	roots, err := readPool(f.CA)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	id, err := FromCertificate(pair.Leaf)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", f.Cert, err)
	}
	return &credentials{identity: id, cert: &pair, roots: roots}, nil
}

// readPool reads the authority's certificates.
func readPool(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read authority's certificate: %w", err)
	}
	certs, err := parseCerts(data)
	if err != nil {
		return nil, fmt.Errorf("authority's certificate %s: %w", path, err)
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		if !c.IsCA {
			return nil, fmt.Errorf("authority's certificate %s: %s is no authority", path, describe(c))
		}
		pool.AddCert(c)
	}
	return pool, nil
}

// parseCerts reads every certificate of a PEM file; at least one.
func parseCerts(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it has a PEM block %q, only CERTIFICATE belongs there", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("it has no PEM block CERTIFICATE")
	}
	return certs, nil
}

// store hands out the newest good contents of Files.
type store struct {
	files Files

	mu     sync.Mutex
	stamps [3]stamp
	good   *credentials
}

// stamp tells one version of a file from another.
type stamp struct {
	modified time.Time
	size     int64
	file     fs.FileInfo
}

func newStore(f Files) (*store, error) {
	stamps := f.stamps()
	c, err := f.load()
	if err != nil {
		return nil, err
	}
	return &store{files: f, stamps: stamps, good: c}, nil
}

// now looks at the files and reads them again if one changed.
func (s *store) now() *credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Stamps are taken before reading: a change in between is seen next time.
	stamps := s.files.stamps()
	if sameStamps(stamps, s.stamps) {
		return s.good
	}
	s.stamps = stamps
	c, err := s.files.load()
	switch {
	case err != nil:
		// Said once per change, since the stamps are noted.
		slog.Warn("certificate files changed and do not fit together; the former ones stay in use", "err", err)
	case c.identity != s.good.identity:
		slog.Warn("certificate files changed to another identity; the former ones stay in use",
			"identity", s.good.identity.URI(), "new", c.identity.URI())
	default:
		s.good = c
	}
	return s.good
}

func (f Files) stamps() [3]stamp {
	var out [3]stamp
	for i, path := range []string{f.CA, f.Cert, f.Key} {
		if info, err := os.Stat(path); err == nil {
			out[i] = stamp{modified: info.ModTime(), size: info.Size(), file: info}
		}
	}
	return out
}

func sameStamps(a, b [3]stamp) bool {
	for i := range a {
		missing := a[i].file == nil && b[i].file == nil
		same := a[i].modified.Equal(b[i].modified) && a[i].size == b[i].size && os.SameFile(a[i].file, b[i].file)
		if !missing && !same {
			return false
		}
	}
	return true
}
