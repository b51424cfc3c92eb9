package daemons_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"roster/agent/driver"
	"roster/agent/driver/conformance"
	"roster/agent/driver/process"
	"roster/integration/daemons"
	"roster/integration/loopback"
	"roster/integration/require"
)

func TestTheProcessDriverKeepsItsContractWithRealDaemons(t *testing.T) {
	require.Daemons(t)
	conformance.Run(t, func(t *testing.T) conformance.Subject {
		dir, ports := loopback.Dir(t), loopback.Ports(t, 2)
		imap, err := daemons.Dovecot(filepath.Join(dir, "imap"), "n1-imap", loopback.Host, ports[0])
		if err != nil {
			t.Fatal(err)
		}
		smtp, err := daemons.Postfix(filepath.Join(dir, "mx"), "n1-mx", loopback.Host, ports[1])
		if err != nil {
			t.Fatal(err)
		}
		config := process.Config{Dir: filepath.Join(dir, "driver"), Owner: "node-1"}
		for _, i := range []*daemons.Instance{imap, smtp} {
			config.Services = append(config.Services, process.Service{Name: i.Service, Endpoints: i.Claim().GetEndpoints(), Command: i.Command})
		}
		open := func(t *testing.T) driver.Driver {
			d, err := process.New(config)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		// Whatever a claim leaves running ends with it, before the folders go.
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			d := open(t)
			for _, i := range []*daemons.Instance{imap, smtp} {
				if err := d.Remove(ctx, i.Service); err != nil {
					t.Errorf("remove %s: %v", i.Service, err)
				}
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		return conformance.Subject{Open: open, IMAP: imap.Claim(), SMTP: smtp.Claim(), Outlives: true}
	})
}
