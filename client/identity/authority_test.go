package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes one for a test.
func authority(t *testing.T, cluster string) *Authority {
	t.Helper()
	a, err := NewAuthority(cluster, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes a certificate and the three files that go with it.
func issue(t *testing.T, a *Authority, role Role, name string, with Issue) Files {
	t.Helper()
	dir := t.TempDir()
	f := Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	c, err := a.Issue(role, name, with)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.CA, a.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func leafOf(t *testing.T, data []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(data)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnIssuedCertificateHasItsIdentityAndItsUse(t *testing.T) {
	a := authority(t, "example-mail")
	for role, uses := range map[Role][]x509.ExtKeyUsage{
		Member: {x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		Agent:  {x509.ExtKeyUsageClientAuth},
		User:   {x509.ExtKeyUsageClientAuth},
	} {
		c, err := a.Issue(role, "x1", Issue{Hosts: []string{"mx.example.org", "127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		leaf := leafOf(t, c.CertPEM)
		id, err := FromCertificate(leaf)
		if want := (Identity{"example-mail", role, "x1"}); err != nil || id != want || c.Identity != want {
			t.Errorf("identity %v, %v", id, err)
		}
		if len(leaf.ExtKeyUsage) != len(uses) || leaf.ExtKeyUsage[0] != uses[0] || leaf.IsCA {
			t.Errorf("%s: uses %v, authority %v", role, leaf.ExtKeyUsage, leaf.IsCA)
		}
		if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || leaf.PublicKeyAlgorithm != x509.ECDSA {
			t.Errorf("key %T", leaf.PublicKey)
		}
		if len(leaf.DNSNames) != 1 || len(leaf.IPAddresses) != 1 {
			t.Errorf("hosts %v %v", leaf.DNSNames, leaf.IPAddresses)
		}
		if days := leaf.NotAfter.Sub(leaf.NotBefore).Hours() / 24; days < 364 || days > 366 {
			t.Errorf("holds %v days", days)
		}
	}
}

func TestAnAuthorityIssuesNoWrongNames(t *testing.T) {
	a := authority(t, "c")
	for _, bad := range []struct {
		role Role
		name string
	}{{"admin", "x"}, {User, ""}, {User, "a/b"}, {Agent, "ä"}} {
		if _, err := a.Issue(bad.role, bad.name, Issue{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := a.Issue(User, "x", Issue{Validity: -time.Hour}); err == nil {
		t.Error("a negative validity was accepted")
	}
	if _, err := NewAuthority("Bad Name", 0); !errors.Is(err, ErrInvalid) {
		t.Errorf("authority of a wrong name: %v", err)
	}
}

func TestACertificateNeverOutlivesItsAuthority(t *testing.T) {
	a, err := NewAuthority("c", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue(User, "x", Issue{})
	if err != nil || c.NotAfter.After(a.NotAfter()) {
		t.Errorf("until %s, authority until %s, %v", c.NotAfter, a.NotAfter(), err)
	}
}

func TestAnAuthoritySurvivesItsFilesAndIsNeverOverwritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	a := authority(t, "c")
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{CAFile: 0o644, CAKeyFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	b, err := LoadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Cluster() != "c" || !bytes.Equal(a.CAPEM(), b.CAPEM()) {
		t.Errorf("loaded authority of %q", b.Cluster())
	}
	c, err := b.Issue(Agent, "n1", Issue{})
	if err != nil {
		t.Fatal(err)
	}
	want := trust{cluster: "c", usage: x509.ExtKeyUsageClientAuth}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.CAPEM())
	if _, err := want.check([]*x509.Certificate{leafOf(t, c.CertPEM)}, pool); err != nil {
		t.Errorf("certificate of the loaded authority: %v", err)
	}

	before, err := os.ReadFile(filepath.Join(dir, CAKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := authority(t, "c").Save(dir); !errors.Is(err, ErrExists) {
		t.Errorf("saved over it: %v", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, CAKeyFile))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key changed: %v", err)
	}
}

func TestSavingWritesBothFilesOrNone(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(cert, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := authority(t, "c").Issue(User, "x", Issue{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(cert, key); !errors.Is(err, ErrExists) {
		t.Errorf("Save: %v", err)
	}
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was left behind: %v", err)
	}
	if data, err := os.ReadFile(cert); err != nil || string(data) != "precious" {
		t.Errorf("the file changed to %q, %v", data, err)
	}
}

func TestLoadingAnAuthoritySaysWhatIsWrong(t *testing.T) {
	good := t.TempDir()
	if err := authority(t, "c").Save(good); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(good, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	other := t.TempDir()
	if err := authority(t, "c").Save(other); err != nil {
		t.Fatal(err)
	}
	otherKey, err := os.ReadFile(filepath.Join(other, CAKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	old, err := NewAuthority("c", time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	oldKey, err := keyPEM(old.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority(t, "c").Issue(User, "x", Issue{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		cert, key []byte
		want      string
	}{
		"nothing there":      {nil, nil, "there is no authority in"},
		"no key":             {read(CAFile), nil, "it stays where the authority was made"},
		"not PEM":            {[]byte("hello"), read(CAKeyFile), "no PEM block CERTIFICATE"},
		"key in its place":   {read(CAKeyFile), read(CAKeyFile), "only CERTIFICATE belongs there"},
		"certificate as key": {read(CAFile), read(CAFile), "no PEM block PRIVATE KEY"},
		"key of another":     {read(CAFile), otherKey, "does not belong to certificate"},
		"not an authority":   {leaf.CertPEM, leaf.KeyPEM, "not the certificate of an authority"},
		"past its time":      {old.CAPEM(), oldKey, "certificate is not valid now"},
	} {
		dir := t.TempDir()
		for file, data := range map[string][]byte{CAFile: tt.cert, CAKeyFile: tt.key} {
			if data == nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := LoadAuthority(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestAnAuthorityCannotMakeIdentitiesOfAnotherCluster(t *testing.T) {
	a := authority(t, "c")
	u, err := url.Parse("roster://victim/member/m1")
	if err != nil {
		t.Fatal(err)
	}
	key, serial, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	forged, err := sign(&x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{u},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	want := trust{cluster: "victim", usage: x509.ExtKeyUsageClientAuth}
	if id, err := want.check([]*x509.Certificate{forged}, pool); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a forged identity passed: %v, %v", id, err)
	}
}
