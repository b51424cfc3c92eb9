package auth

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"roster/client/identity"
)

// ours are the packages whose services a member serves.
var ours = []protoreflect.FullName{"roster.v1", "roster.peer.v1"}

// declared lists the methods of every service in the .proto files.
func declared(t *testing.T) []string {
	t.Helper()
	var out []string
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(file.Package()), "roster.") {
			return true
		}
		services := file.Services()
		for i := range services.Len() {
			if !slices.Contains(ours, file.Package()) {
				t.Errorf("%s has a service, and this test does not know the package", file.Path())
			}
			methods := services.Get(i).Methods()
			for j := range methods.Len() {
				out = append(out, "/"+string(services.Get(i).FullName())+"/"+string(methods.Get(j).Name()))
			}
		}
		return true
	})
	if len(out) < 30 {
		t.Fatalf("only %d methods are known", len(out))
	}
	return out
}

func TestEveryMethodIsInTheTableAndNothingElseIs(t *testing.T) {
	methods := declared(t)
	for _, m := range methods {
		roles, ok := table[m]
		if !ok || len(roles) == 0 {
			t.Errorf("%s has no roles: add it to the table", m)
		}
	}
	for m := range table {
		if strings.HasPrefix(m, "/roster.") && !slices.Contains(methods, m) {
			t.Errorf("%s is in the table and does not exist", m)
		}
	}
}

// verbs that begin the names of methods which change nothing.
var verbs = []string{"Get", "List", "Watch", "Plan", "Diff", "Check", "Simulate", "Survive", "Explain"}

func TestRolesMayCallWhatTheyShould(t *testing.T) {
	for _, m := range declared(t) {
		name := m[strings.LastIndexByte(m, '/')+1:]
		reads := slices.ContainsFunc(verbs, func(v string) bool { return strings.HasPrefix(name, v) })
		want := map[identity.Role]bool{
			identity.Agent:  name == "Session",
			identity.Member: strings.HasPrefix(m, "/roster.peer.") || reads || name == "JoinMember",
			identity.User:   !strings.HasPrefix(m, "/roster.peer.") && name != "Session",
			"":              false, "admin": false,
		}
		for role, may := range want {
			if _, ok := allowed(m, role); ok != may {
				t.Errorf("%q may call %s: %v, want %v", role, m, ok, may)
			}
		}
	}
}

func TestANameThatIsNotExactlyInTheTableIsDenied(t *testing.T) {
	for _, m := range []string{
		"", "/", "roster.v1.NodeService/GetNode", "//roster.v1.NodeService/GetNode", "/roster.v1.NodeService/getnode",
		"/roster.v1.NodeService/GetNode/", "/roster.v1.NodeService/", "/roster.v1.NodeService/*", "/roster.v1.NodeService/GetNode ",
		"/roster.v1.NodeService%2FGetNode", "/roster.v2.NodeService/GetNode", "/grpc.channelz.v1.Channelz/GetServers",
	} {
		for _, role := range identity.Roles() {
			if _, ok := allowed(m, role); ok {
				t.Errorf("%s may call %q", role, m)
			}
		}
	}
}
