package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Config says how to reach a cluster.
type Config struct {
	// Members are API addresses, host:port, at least one. Any of them will do;
	// more of them survive more.
	Members []string
	// TLS proves who calls and checks who answers, as made by
	// identity.ClientTLS. Nil: no TLS, which loopback addresses alone allow.
	TLS *tls.Config
	// ClusterID, if not empty, is sent with every call; members of another
	// cluster refuse it.
	ClusterID string
	// GiveUp ends a unary call that reached nobody for that long, at any address:
	// nothing was sent, and no member answered. A person wants to know soon. 0: it is
	// tried until its context ends, as agents and members want it.
	GiveUp time.Duration
	// Lean keeps a connection that lives for ever small: fixed windows of 64 KiB
	// and buffers of 4 KiB. Agents want it; whoever lists many nodes does not.
	Lean bool
	// Dial, nil: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Logger hears which members could not be reached, at debug level. Nil:
	// nobody does.
	Logger *slog.Logger
}

// ErrPlainNotLoopback says that a connection without TLS would leave the
// machine.
var ErrPlainNotLoopback = errors.New("without certificates only loopback addresses are allowed")

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if len(c.Members) == 0 {
		errs = append(errs, errors.New("no member is named: give the API address of at least one"))
	}
	for _, m := range c.Members {
		errs = append(errs, c.checkMember(m))
	}
	return errors.Join(errs...)
}

// checkMember says whether an address may be dialled.
func (c Config) checkMember(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("member %q is not host:port: %w", address, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("member %q: port %q is not a number from 1 to 65535", address, port)
	}
	if host == "" {
		return fmt.Errorf("member %q names no host", address)
	}
	if c.TLS == nil && !loopback(host) {
		return fmt.Errorf("member %q: %w: give a certificate, its key and the authority's", address, ErrPlainNotLoopback)
	}
	return nil
}

// loopback says whether a host cannot be anything but this machine. Of names
// only localhost counts: what another resolves to is not ours to know.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
