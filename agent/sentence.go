package agent

import (
	"context"
	"errors"

	"roster/client"
)

// memberError says which member did what, in words for people: without what gRPC
// puts around a member's own.
type memberError struct {
	about string
	err   error
}

func (e *memberError) Error() string { return e.about + ": " + sentence(e.err) }
func (e *memberError) Unwrap() error { return e.err }

// misdialled finds out whether a member was dialled in the wrong way.
func (a *Agent) misdialled(ctx context.Context, address string, err error) error {
	return client.Misdialled(ctx, address, !a.cfg.TLS.IsZero(), err, a.cfg.Dial)
}

// sentence is client.Sentence with the mend that an agent's config needs.
func sentence(err error) string {
	switch {
	case errors.Is(err, client.ErrAsksForCertificate):
		return "the member asks for certificates: add `tls:` with ca, cert and key to the agent's config"
	case errors.Is(err, client.ErrWithoutCertificates):
		return "the member runs without certificates: take `tls:` out of the agent's config, or give the member its own"
	case errors.Is(err, client.ErrRaftPort):
		return "that is a member's raft port: use its API address in `members`"
	}
	return client.Sentence(err)
}
