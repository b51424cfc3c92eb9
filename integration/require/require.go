// Package require decides what a test does where the machine lacks something
// that it needs: it skips and says why, or fails where ROSTER_REQUIRE names
// what is lacking. It owns the words that ROSTER_REQUIRE and ROSTER_TEST_SLOW
// may carry, and must not know any test. It holds no state.
package require

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Words of ROSTER_REQUIRE, separated by commas.
const (
	// WordDaemons: Dovecot and Postfix, and the right to run them.
	WordDaemons = "daemons"
	// WordRoot: user id 0.
	WordRoot = "root"
	// WordNetwork: network namespaces of the test's own, and iptables in them.
	WordNetwork = "network"
	// WordSlow: the tests that ROSTER_TEST_SLOW asks for.
	WordSlow = "slow"
)

// PostfixMaster is where Debian keeps the process that runs Postfix.
const PostfixMaster = "/usr/lib/postfix/sbin/master"

func required(word string) bool {
	return slices.Contains(strings.FieldsFunc(os.Getenv("ROSTER_REQUIRE"), func(r rune) bool { return r == ',' || r == ' ' }), word)
}

// lacking skips, or fails where the word is required.
func lacking(t testing.TB, word, reason string) {
	t.Helper()
	if required(word) {
		t.Fatalf("ROSTER_REQUIRE names %s: %s", word, reason)
	}
	t.Skipf("needs %s: %s", word, reason)
}

// Root goes on as user id 0 only.
func Root(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		lacking(t, WordRoot, "not running as root")
	}
}

// Network goes on where a test can make networks of its own.
func Network(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		lacking(t, WordNetwork, "network namespaces need root")
	}
	for _, program := range []string{"ip", "iptables", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, WordNetwork, program+" is not installed (scripts/install-test-daemons.sh installs it)")
		}
	}
	if out, err := exec.Command("unshare", "--net", "true").CombinedOutput(); err != nil {
		lacking(t, WordNetwork, "this machine lets nobody make one: "+strings.TrimSpace(string(out)))
	}
}

// Daemons goes on where Dovecot and Postfix are installed and may be run.
func Daemons(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		lacking(t, WordDaemons, "Postfix runs as root only")
	}
	for _, program := range []string{"dovecot", "doveadm", "postfix", PostfixMaster} {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, WordDaemons, program+" is not installed (scripts/install-test-daemons.sh installs it)")
		}
	}
}

// Slow goes on where ROSTER_TEST_SLOW is set, for tests of minutes.
func Slow(t testing.TB) {
	t.Helper()
	if os.Getenv("ROSTER_TEST_SLOW") == "" {
		lacking(t, WordSlow, "takes minutes; set ROSTER_TEST_SLOW=1 (make proof does)")
	}
}
