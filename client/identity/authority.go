package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Names of the authority's files in its folder.
const (
	CAFile    = "ca.pem"
	CAKeyFile = "ca-key.pem"
)

// How long certificates hold unless the caller says otherwise.
const (
	AuthorityValidity   = 10 * 365 * 24 * time.Hour
	CertificateValidity = 365 * 24 * time.Hour
	// backdate lets a certificate be used at once where clocks differ.
	backdate = time.Hour
)

// ErrExists says that a file is there already; nothing is ever overwritten.
var ErrExists = errors.New("file exists already")

// Authority issues the certificates of one cluster. Its own certificate carries
// the cluster's name as a constraint, so that even with the key in wrong hands
// it cannot make an identity of another cluster.
type Authority struct {
	cluster string
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
}

// NewAuthority makes an authority, in memory, for a cluster; validity 0 is ten
// years.
func NewAuthority(cluster string, validity time.Duration) (*Authority, error) {
	if err := ValidateCluster(cluster); err != nil {
		return nil, err
	}
	if validity < 0 {
		return nil, fmt.Errorf("validity %s is negative", validity)
	}
	if validity == 0 {
		validity = AuthorityValidity
	}
	key, serial, err := newKey()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:                serial,
		Subject:                     pkix.Name{CommonName: "Roster authority of " + cluster},
		NotBefore:                   now.Add(-backdate),
		NotAfter:                    now.Add(validity),
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedURIDomains:         []string{cluster},
		PermittedDNSDomainsCritical: true,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	return &Authority{cluster: cluster, cert: cert, key: key}, nil
}

// LoadAuthority reads the authority that Save wrote to a folder.
func LoadAuthority(dir string) (*Authority, error) {
	certPath, keyPath := filepath.Join(dir, CAFile), filepath.Join(dir, CAKeyFile)
	certPEM, err := os.ReadFile(certPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no authority in %s: make one with `roster certs ca`: %w", dir, err)
	} else if err != nil {
		return nil, fmt.Errorf("read authority's certificate: %w", err)
	}
	certs, err := parseCerts(certPEM)
	if err != nil {
		return nil, fmt.Errorf("authority's certificate %s: %w", certPath, err)
	}
	cert := certs[0]
	if !cert.IsCA || len(cert.PermittedURIDomains) != 1 {
		return nil, fmt.Errorf("%s is not the certificate of an authority that Roster made", certPath)
	}
	keyPEM, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, fmt.Errorf("read authority's key (it stays where the authority was made): %w", err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("authority's key %s: %w", keyPath, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("key %s does not belong to certificate %s", keyPath, certPath)
	}
	if err := current(cert, time.Now()); err != nil {
		return nil, fmt.Errorf("authority %s: %w", certPath, err)
	}
	return &Authority{cluster: cert.PermittedURIDomains[0], cert: cert, key: key}, nil
}

// Cluster is the name of the cluster that the authority is for.
func (a *Authority) Cluster() string { return a.cluster }

// NotAfter is when the authority's certificate ends.
func (a *Authority) NotAfter() time.Time { return a.cert.NotAfter }

// CAPEM is the authority's certificate, which every party needs.
func (a *Authority) CAPEM() []byte { return certPEM(a.cert) }

// Save writes the authority to a folder, which it makes. It refuses to
// overwrite one.
func (a *Authority) Save(dir string) error {
	key, err := keyPEM(a.key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder for the authority: %w", err)
	}
	return writeNew(
		newFile{filepath.Join(dir, CAKeyFile), key, 0o600},
		newFile{filepath.Join(dir, CAFile), a.CAPEM(), 0o644},
	)
}

// Issue describes a certificate to be issued beyond who it is for.
type Issue struct {
	// Validity is how long it holds from now; 0 is one year. It never outlives
	// the authority.
	Validity time.Duration
	// NotBefore is when it begins to hold; zero is an hour ago.
	NotBefore time.Time
	// Hosts are names and addresses for other programs' TLS, such as curl. Roster
	// itself does not look at them.
	Hosts []string
}

// Issued is a certificate with its key.
type Issued struct {
	Identity Identity
	NotAfter time.Time
	CertPEM  []byte
	KeyPEM   []byte
}

// Issue makes a certificate. A member's is for both ends of a connection, all
// others are for callers only.
func (a *Authority) Issue(role Role, name string, with Issue) (*Issued, error) {
	id := Identity{Cluster: a.cluster, Role: role, Name: name}
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if with.Validity < 0 {
		return nil, fmt.Errorf("validity %s is negative", with.Validity)
	}
	uri, err := url.Parse(id.URI())
	if err != nil {
		return nil, fmt.Errorf("identity %s: %w", id, err)
	}
	key, serial, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: string(role) + " " + name},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{uri},
	}
	if role == Member {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	with.fill(template, a.cert.NotAfter)
	cert, err := sign(template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", id, err)
	}
	keyBytes, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	return &Issued{Identity: id, NotAfter: cert.NotAfter, CertPEM: certPEM(cert), KeyPEM: keyBytes}, nil
}

// fill sets times and hosts.
func (w Issue) fill(template *x509.Certificate, end time.Time) {
	start, validity := w.NotBefore, w.Validity
	if validity == 0 {
		validity = CertificateValidity
	}
	template.NotBefore, template.NotAfter = start, start.Add(validity)
	if start.IsZero() {
		now := time.Now()
		template.NotBefore, template.NotAfter = now.Add(-backdate), now.Add(validity)
	}
	if template.NotAfter.After(end) {
		template.NotAfter = end
	}
	for _, h := range w.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
}

// Save writes the certificate and its key. It refuses to overwrite either.
func (c *Issued) Save(certPath, keyPath string) error {
	return writeNew(newFile{keyPath, c.KeyPEM, 0o600}, newFile{certPath, c.CertPEM, 0o644})
}

func newKey() (*ecdsa.PrivateKey, *big.Int, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("make serial number: %w", err)
	}
	return key, serial, nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("it has no PEM block PRIVATE KEY")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is %T, an ECDSA key is needed", key)
	}
	return ec, nil
}
