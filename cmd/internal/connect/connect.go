// Package connect owns the flags that say which cluster a verb talks to, and
// the connection made from them. It knows the client library and no verbs.
// Flags belong to the goroutine that parses them; a Link is safe from any.
package connect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"roster/client/identity"
)

// DefaultMember is asked where no member is named.
const DefaultMember = "127.0.0.1:7401"

// DefaultTimeout bounds a call where no other bound is given.
const DefaultTimeout = 10 * time.Second

// Flags say which cluster, as whom, and for how long.
type Flags struct {
	// Members are API addresses of some or all members, host:port.
	Members []string
	// Files are the caller's certificate. All empty: no TLS.
	Files identity.Files
	// ClusterID makes members of any other cluster refuse; empty: any.
	ClusterID string
	// Timeout bounds one call. 0: DefaultTimeout for calls, none for what
	// follows or waits.
	Timeout time.Duration
}

// environment is what stands in for flags that are not given.
var environment = []struct{ flag, name string }{
	{"member", "ROSTER_MEMBERS"},
	{"ca", "ROSTER_CA"},
	{"cert", "ROSTER_CERT"},
	{"key", "ROSTER_KEY"},
}

// AddTo defines the flags.
func (f *Flags) AddTo(flags *pflag.FlagSet) {
	flags.StringSliceVarP(&f.Members, "member", "m", nil, "API `address` of a member, host:port; repeat for more (ROSTER_MEMBERS; default "+DefaultMember+")")
	flags.StringVar(&f.Files.CA, "ca", "", "`file` of the authority that members' certificates come from (ROSTER_CA)")
	flags.StringVar(&f.Files.Cert, "cert", "", "`file` of the certificate to show (ROSTER_CERT)")
	flags.StringVar(&f.Files.Key, "key", "", "`file` of that certificate's key (ROSTER_KEY)")
	flags.StringVar(&f.ClusterID, "cluster-id", "", "refuse members of a cluster with another `id`")
	flags.DurationVar(&f.Timeout, "timeout", 0, "longest `time` for one call (default 10s), for a watch (default: no bound), or for --wait (default 10m)")
}

// FromEnvironment fills in what was not given as a flag.
func (f *Flags) FromEnvironment(flags *pflag.FlagSet) error {
	for _, e := range environment {
		value := os.Getenv(e.name)
		flag := flags.Lookup(e.flag)
		if value == "" || flag == nil || flag.Changed {
			continue
		}
		if err := flag.Value.Set(value); err != nil {
			return fmt.Errorf("%s=%s: %w", e.name, value, err)
		}
	}
	return nil
}

// Validate reports every fault at once; addresses are judged by the client.
func (f *Flags) Validate() error {
	var faults []error
	files := map[string]string{"--ca": f.Files.CA, "--cert": f.Files.Cert, "--key": f.Files.Key}
	var missing []string
	for _, name := range []string{"--ca", "--cert", "--key"} {
		if files[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 && len(missing) < len(files) {
		faults = append(faults, fmt.Errorf("a connection with certificates needs all of --ca, --cert and --key: %s missing", strings.Join(missing, ", ")))
	}
	if f.Timeout < 0 {
		faults = append(faults, errors.New("--timeout is negative"))
	}
	return errors.Join(faults...)
}

// Secure says whether certificates are used.
func (f *Flags) Secure() bool { return !f.Files.IsZero() }

// Call bounds one call.
func (f *Flags) Call(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.Timeout > 0 {
		return context.WithTimeout(ctx, f.Timeout)
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}

// Long bounds what waits or follows: bound where no flag says otherwise, and
// no bound where that is 0 too.
func (f *Flags) Long(ctx context.Context, bound time.Duration) (context.Context, context.CancelFunc) {
	if f.Timeout > 0 {
		bound = f.Timeout
	}
	if bound == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, bound)
}
