package connect

import (
	"fmt"
	"time"

	"roster/client"
	"roster/client/identity"
)

// Link is a connection to the cluster.
type Link struct {
	*client.Client
}

// Close ends the connection; whatever it says of that changes nothing any more.
func (l *Link) Close() { _ = l.Client.Close() }

// giveUp ends a call that reaches nobody, unless --timeout says how long to try.
const giveUp = 2 * time.Second

// Open makes the connection; nothing is dialled before the first call.
func (f *Flags) Open() (*Link, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	config := client.Config{Members: f.Members, ClusterID: f.ClusterID}
	if f.Timeout == 0 {
		config.GiveUp = giveUp
	}
	if len(config.Members) == 0 {
		config.Members = []string{DefaultMember}
	}
	if f.Secure() {
		secure, err := identity.ClientTLS(f.Files, "")
		if err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		config.TLS = secure
	}
	c, err := client.New(config)
	if err != nil {
		return nil, err
	}
	return &Link{c}, nil
}
