// Package http serves a member's HTTP port: the public API as JSON, its OpenAPI
// description, metrics and health. It decides nothing: every call goes through
// the member's own gRPC server, in memory, under the name of whoever made it,
// so that authorisation is the same on both ports. (The gRPC server behind one
// shared port would halve its throughput.) It must not know the state machine's
// commands or Raft. Everything exported is safe for concurrent use.
package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"

	"roster/client/identity"
)

// Config sets a Server up.
type Config struct {
	// Listen is the address of the port, host:port. Required.
	Listen string
	// TLS is nil on loopback without certificates. Client certificates are
	// asked for; health alone answers without one.
	TLS *tls.Config
	// ClusterName is the cluster that callers must belong to.
	ClusterName string
	// API is the member's gRPC server, in memory. Required.
	API grpc.ClientConnInterface
	// Collect says what the metrics show. Required.
	Collect Source
	// Ready says why the member cannot answer for the cluster; empty: it can.
	Ready  func() string
	Logger *slog.Logger
}

// Limits of one request.
const (
	maxBody      = 4 << 20
	maxHeader    = 16 << 10
	readTimeout  = 10 * time.Second
	idleTimeout  = 2 * time.Minute
	stopPatience = 2 * time.Second
)

// Validate reports every fault at once.
func (c Config) Validate() error {
	var faults []error
	if c.Listen == "" {
		faults = append(faults, errors.New("http: Listen is missing"))
	}
	if c.API == nil || c.Collect == nil || c.Ready == nil {
		faults = append(faults, errors.New("http: API, Collect and Ready are needed"))
	}
	return errors.Join(faults...)
}

// Server is the HTTP port of a member.
type Server struct {
	cfg      Config
	listener net.Listener
	http     *http.Server
}

// New opens the port; it serves nothing before Run.
func New(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	routes, err := cfg.routes()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP on %s: %w: is another member running, or the port taken? (--http-listen)", cfg.Listen, err)
	}
	if cfg.TLS != nil {
		config := cfg.TLS.Clone()
		config.ClientAuth = tls.VerifyClientCertIfGiven
		config.NextProtos = []string{"h2", "http/1.1"}
		listener = tls.NewListener(listener, config)
	}
	return &Server{cfg: cfg, listener: listener, http: &http.Server{
		Handler: routes, ReadHeaderTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}}, nil
}

// Address is where it listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close gives the port back; for a server that is never run.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves until ctx ends. Calls that are answered within two seconds are
// answered; streams end.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case <-ctx.Done():
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
		defer cancel()
		if s.http.Shutdown(limited) != nil {
			_ = s.http.Close() // streams do not end by themselves
		}
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP on %s: %w", s.Address(), err)
		}
		return nil
	case err := <-failed:
		return fmt.Errorf("serve HTTP on %s: %w", s.Address(), err)
	}
}

// routes is every path of the port.
func (c Config) routes() (http.Handler, error) {
	api, err := c.gateway()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", c.readyz)
	mux.Handle("GET /metrics", c.known(c.metrics()))
	mux.HandleFunc("GET /openapi.json", openAPI)
	mux.HandleFunc("GET /alerts.rules.yaml", alerts)
	mux.HandleFunc("GET /{$}", index)
	mux.Handle("/", orNoPage(c.known(onlyJSON(api))))
	return c.sameHost(mux), nil
}

// sameHost turns away what a page of another site makes a browser on this host
// ask, where there are no certificates: it would come from loopback too.
func (c Config) sameHost(next http.Handler) http.Handler {
	if c.TLS != nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			refuse(w, http.StatusForbidden, "permission_denied", "WRONG_HOST", "this member has no certificates and answers on loopback only, not as "+host)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// known lets only callers of this cluster through. What a caller may do is the
// gRPC server's to say.
func (c Config) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := c.caller(r)
		if err != nil {
			refuse(w, http.StatusUnauthorized, "unauthenticated", "UNAUTHENTICATED", err.Error())
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	})
}

type callerKey struct{}

// caller is who makes a request; nobody where there are no certificates.
func (c Config) caller(r *http.Request) (identity.Identity, error) {
	if c.TLS == nil {
		return identity.Identity{}, nil
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return identity.Identity{}, errors.New("show a certificate of this cluster: with curl, --cacert ca.pem --cert user.pem --key user-key.pem")
	}
	who, err := identity.FromTLS(*r.TLS)
	if err != nil {
		return identity.Identity{}, err
	}
	if who.Cluster != c.ClusterName {
		return identity.Identity{}, fmt.Errorf("%s is of another cluster, this is %q: use a certificate of this cluster", who, c.ClusterName)
	}
	return who, nil
}
