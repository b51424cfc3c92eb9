package raftnode

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// authority signs certificates whose one URI says a role.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(raw)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{t: t, cert: cert, key: key, pool: pool}
}

func (a *authority) issue(role string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{{Scheme: "roster", Host: "test", Path: "/" + role + "/x"}},
	}, a.cert, key.Public(), a.key)
	must(a.t, err)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// secure makes a member's configuration with a certificate.
func (a *authority) secure(cfg *Config, cert tls.Certificate) {
	cfg.ServerTLS = &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	cfg.ClientTLS = &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, RootCAs: a.pool,
		InsecureSkipVerify: true, //nolint:gosec // names of hosts do not matter; the chain is verified below
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: a.pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			return err
		},
	}
	cfg.VerifyPeer = func(s tls.ConnectionState) error {
		if uri := s.PeerCertificates[0].URIs[0]; !strings.HasPrefix(uri.Path, "/member/") {
			return errors.New(uri.String() + " is no member")
		}
		return nil
	}
}

func TestMembersSpeakWithCertificates(t *testing.T) {
	ca := newAuthority(t)
	c := newClusterOf(t, 3, func(cfg *Config) { ca.secure(cfg, ca.issue("member")) })
	index := c.write("k", "1")
	for _, m := range c.members {
		must(t, m.node.WaitApplied(ctxFor(t), index))
	}
}

func TestTheRaftPortAcceptsMembersOnly(t *testing.T) {
	ca := newAuthority(t)
	c := newCluster(t, func(cfg *Config) { ca.secure(cfg, ca.issue("member")) })
	c.leader()
	address := c.members[0].identity.RaftAddress
	term := c.members[0].node.Term()
	stranger := newAuthority(t)
	for name, dial := range map[string]func() (net.Conn, error){
		"plain": func() (net.Conn, error) { return net.Dial("tcp", address) },
		"an agent": func() (net.Conn, error) {
			return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{ca.issue("agent")}}) //nolint:gosec // a test's client
		},
		"another authority's member": func() (net.Conn, error) {
			return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{stranger.issue("member")}}) //nolint:gosec // a test's client
		},
		"no certificate": func() (net.Conn, error) {
			return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test's client
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := dial()
			if err != nil {
				return // refused in the handshake
			}
			// A stranger may well know how a connection begins.
			_ = c.members[0].node.lineage().greet(conn, 2*time.Second)
			layer := &dialed{conn: conn}
			transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
				Stream: layer, MaxPool: 1, Timeout: 2 * time.Second, Logger: hclog.NewNullLogger(),
			})
			defer func() { must(t, transport.Close()) }()
			var answer raft.RequestVoteResponse
			err = transport.RequestVote("x", raft.ServerAddress(address), &raft.RequestVoteRequest{
				RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("x"), Addr: []byte("127.0.0.1:1")}, Term: term + 100,
			}, &answer)
			if err == nil {
				t.Errorf("raft answered a stranger: %+v", answer)
			}
		})
	}
	if now := c.members[0].node.Term(); now != term {
		t.Errorf("a stranger moved the term from %d to %d", term, now)
	}
	c.write("k", "1")
}

// dialed is a stream layer over one connection.
type dialed struct {
	conn net.Conn
}

func (d *dialed) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) { return d.conn, nil }
func (d *dialed) Accept() (net.Conn, error)                                { return nil, net.ErrClosed }
func (d *dialed) Close() error                                             { return d.conn.Close() }
func (d *dialed) Addr() net.Addr                                           { return advertisedAddr("127.0.0.1:1") }

func TestPlainConnectionsStayOnLoopback(t *testing.T) {
	listener, err := listen("127.0.0.1:0")
	must(t, err)
	s := newStream(Config{Logger: slog.New(slog.DiscardHandler)}, listener, &Node{})
	defer func() { must(t, s.Close()) }()
	_, err = s.Dial("192.0.2.1:7", time.Second)
	wantError(t, err, ErrNotLoopback)
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "192.0.2.1:1": false, "example.org:1": false, "0.0.0.0:1": false, "": false,
	} {
		if isLoopback(address) != want {
			t.Errorf("%q counts as loopback: %v", address, !want)
		}
	}
}

func TestCertificatesNeedAQuestionWhoIsAMember(t *testing.T) {
	ca := newAuthority(t)
	cfg := Config{Dir: "x"}
	ca.secure(&cfg, ca.issue("member"))
	cfg.VerifyPeer = nil
	wantError(t, cfg.Validate(), nil, "who is a member")
	cfg.ClientTLS = nil
	wantError(t, cfg.Validate(), nil, "both directions")
}
