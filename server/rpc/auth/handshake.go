package auth

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"

	"google.golang.org/grpc/credentials"
)

// Credentials are the TLS of the API port, which log every caller that they turn
// away: the caller itself is told no more than an alert.
func Credentials(config *tls.Config, log *slog.Logger) credentials.TransportCredentials {
	return &watched{credentials.NewTLS(config), log}
}

type watched struct {
	credentials.TransportCredentials
	log *slog.Logger
}

// ServerHandshake is the wrapped one's.
func (w *watched) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := w.TransportCredentials.ServerHandshake(conn)
	// Who only looks whether the port is open says nothing and is no attempt.
	if err != nil && !errors.Is(err, io.EOF) {
		w.log.Warn("connection denied", "peer", conn.RemoteAddr().String(), "err", err)
	}
	return secured, info, err
}

// Clone is the wrapped one's, which goes on logging.
func (w *watched) Clone() credentials.TransportCredentials {
	return &watched{w.TransportCredentials.Clone(), w.log}
}
