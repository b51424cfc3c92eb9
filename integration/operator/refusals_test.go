package operator

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"roster/integration/cluster"
	"roster/integration/loopback"
	"roster/integration/site"
)

const refusalsTopology = `cluster: example-mail
name: refusals
pools:
  - {name: imap, services: [imap], count: 2}
services:
  - {name: imap, floor: 2}
`

// One cluster for everything that must be refused: by each verb, and on the HTTP
// port. Nothing of it changes anything.
func TestWhatIsWrongIsRefusedInClearWordsAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := &scene{Site: site.New(t, cluster.Options{HTTP: true, Heartbeat: heartbeat}, []cluster.Node{
		cluster.Builtin(t, "node-1", "a", "a1", "imap"), cluster.Builtin(t, "node-2", "a", "a2", "imap"),
	}), t: t}
	s.Apply("refusals", s.File("refusals.yaml", refusalsTopology+policy))
	before := s.fingerprint()

	t.Run("the command line", func(t *testing.T) { s.refusedVerbs(t) })
	t.Run("backups", func(t *testing.T) { s.refusedSnapshots(t) })
	t.Run("other roles", func(t *testing.T) { s.refusedRoles(t) })
	t.Run("HTTP", func(t *testing.T) { s.refusedHTTP(t) })
	if now := s.fingerprint(); now != before {
		t.Errorf("something changed.\nbefore:\n%s\nafter:\n%s", before, now)
	}

	t.Run("without a leader", func(t *testing.T) { s.refusedWithoutLeader(t) })
	s.settles("the leader is back")
	if now := s.fingerprint(); now != before {
		t.Errorf("something changed without a leader.\nbefore:\n%s\nafter:\n%s", before, now)
	}
}

// fingerprint is everything that a refused call might have changed: what is kept
// of nodes, members, freezes, plans and topologies, and every event but those of
// which nodes and services answer.
func (s *scene) fingerprint() string {
	s.t.Helper()
	var out strings.Builder
	take := func(into map[string]any, args ...string) map[string]any {
		cluster.Until(s.t, site.Bound, strings.Join(args, " "), func() error { return s.JSON(&into, args...) })
		delete(into, "index")
		return into
	}
	print := func(name string, v any) {
		text, err := json.Marshal(v)
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s: %s\n", name, text)
	}
	nodes, _ := take(map[string]any{}, "node", "list")["nodes"].([]any)
	for _, n := range nodes {
		kept := map[string]any{}
		all, _ := n.(map[string]any)
		for _, key := range []string{"id", "instance", "settings", "labels", "region", "zone", "capacity", "generation", "assignments", "mode", "ahead", "supersedes", "unconfirmed"} {
			kept[key] = all[key]
		}
		print("node", kept)
	}
	for _, args := range [][]string{{"freezes"}, {"hold", "show"}, {"plan", "list"}, {"topology", "history"}} {
		print(strings.Join(args, " "), take(map[string]any{}, args...))
	}
	for _, m := range s.mustStatus().Members {
		print("member", []any{m.ID, m.Name, m.Voter})
	}
	for _, e := range s.recent(0) {
		if !slices.Contains([]string{"node.up", "node.suspect", "node.down", "service.ready", "service.not_ready", "floor.broken", "floor.restored", "rollout.settled"}, e.Kind) {
			fmt.Fprintf(&out, "event %d: %s %s %s\n", e.Index, e.Kind, e.Node, e.Service)
		}
	}
	return out.String()
}

// refused wants a command to end with a code and to say these words.
func refused(t *testing.T, r cluster.Result, code int, words ...string) {
	t.Helper()
	if r.Code != code {
		t.Errorf("exit code %d, wanted %d: %s", r.Code, code, r)
	}
	for _, never := range []string{"panic", "rpc error", "goroutine", "%!"} {
		if strings.Contains(r.Stderr, never) {
			t.Errorf("not a sentence for people: %s", r)
		}
	}
	if strings.TrimSpace(r.Stderr) == "" {
		t.Errorf("nothing is said: %s", r)
	}
	for _, word := range words {
		if !strings.Contains(strings.ToLower(r.Stderr), strings.ToLower(word)) {
			t.Errorf("no word of %q: %s", word, r)
		}
	}
}

func (s *scene) refusedVerbs(t *testing.T) {
	long := strings.Repeat("x", 5000)
	stale := []string{"--expected-generation", "7777"}
	why := []string{"--reason", "why not"}
	line := func(parts ...any) (args []string) {
		for _, p := range parts {
			switch p := p.(type) {
			case string:
				args = append(args, strings.Fields(p)...)
			case []string:
				args = append(args, p...)
			}
		}
		return args
	}
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{line("node drain"), []string{"NODE"}},
		{line("node drain node-99"), []string{"node-99", "roster node list"}},
		{line("node drain node-1 --deadline 0s"), []string{"--deadline"}},
		{line("node drain node-1 --deadline -5m"), []string{"--deadline"}},
		{line("node drain node-1 --deadline soon"), []string{"deadline"}},
		{line("node drain node-1 --deadline 1000h"), []string{"30 days"}},
		{line("node drain node-1 --deadline 1ms"), []string{"1 second"}},
		{line("node drain node-1", stale), []string{"generation", "7777"}},
		{line("node drain node-1 --reason", []string{long}), []string{"reason"}},
		{line("node drain node-1 --request-id tuesday"), []string{"tuesday"}},
		{line("node drain node-1", []string{""}), nil},
		{line("node undrain node-99"), []string{"node-99"}},
		{line("node undrain node-1", stale), []string{"generation"}},
		{line("node undrain"), []string{"NODE"}},

		{line("freeze"), []string{"--for", "--reason"}},
		{line("freeze --for 1h"), []string{"--reason"}},
		{line("freeze", why), []string{"--for"}},
		{line("freeze --for -1h", why), []string{"negative"}},
		{line("freeze --for 10ms", why), []string{"1 second"}},
		{line("freeze --for 721h", why), []string{"30 days"}},
		{line("freeze --for forever", why), []string{"forever"}},
		{line("freeze --for 1h --reason", []string{"  "}), []string{"reason"}},
		{line("freeze --for 1h --reason", []string{long}), []string{"reason"}},
		{line("freeze --for 1h --scope rack:7", why), []string{"rack:7", "zone:NAME"}},
		{line("freeze --for 1h --scope node-1", why), []string{"node-1", "node:ID"}},
		{line("freeze --for 1h --scope node:", why), []string{"node:"}},
		{line("freeze --for 1h --scope node:node-99", why), []string{"node-99"}},
		{line("freeze --for 1h --scope pool:nobodys", why), []string{"nobodys"}},
		{line("freeze --for 1h --scope service:telnet", why), []string{"telnet"}},
		{line("freeze --for 1h --scope zone:z9", why), []string{"z9"}},
		{line("freeze --for 1h --scope region:nowhere", why), []string{"nowhere"}},
		{line("freeze --for 1h --scope ALL", why), []string{"ALL"}},
		{line("freeze --for 1h --request-id 1", why), []string{"request"}},
		{line("freeze now --for 1h", why), nil},
		{line("unfreeze"), []string{"--scope", "roster freezes"}},
		{line("unfreeze f-01234567"), []string{"f-01234567"}},
		{line("unfreeze node:node-1"), []string{"--scope"}},
		{line("unfreeze --scope node:node-1"), []string{"node:node-1"}},
		{line("unfreeze --scope everything"), []string{"everything"}},
		{line("unfreeze --all --scope all"), []string{"--all"}},
		{line("unfreeze f-01234567 --all"), []string{"--all"}},
		{line("freezes now"), nil},
		{line("node hands-off node-1"), []string{"--for", "--reason"}},
		{line("node hands-off node-99 --for 1h", why), []string{"node-99"}},
		{line("node hands-off node-1 --for 721h", why), []string{"30 days"}},
		{line("node hands-off --for 1h", why), []string{"NODE"}},
		{line("node hands-on node-1"), []string{"node-1"}},
		{line("node hands-on node-99"), []string{"node-99"}},

		{line("hold end"), []string{"--reason"}},
		{line("hold end --for 0s", why), []string{"--for"}},
		{line("hold end --for 25h", why), []string{"day"}},
		{line("hold end --for 10ms", why), []string{"1 second"}},
		{line("hold end --reason", []string{long}), []string{"reason"}},
		{line("hold begin"), nil},

		{line("plan show"), []string{"ID"}},
		{line("plan show 0123456789abcdef"), []string{"0123456789abcdef", "roster plan list"}},
		{line("plan approve 0123456789abcdef --yes"), []string{"0123456789abcdef", "roster plan list"}},
		{line("plan approve 0123456789abcdef"), []string{"0123456789abcdef"}},
		{line("plan reject 0123456789abcdef"), []string{"0123456789abcdef", "roster plan list"}},
		{line("plan reject"), []string{"ID"}},

		{line("node ok-to-stop"), []string{"--with-member"}},
		{line("node ok-to-stop node-99"), []string{"node-99"}},
		{line("node ok-to-stop node-1 --with-member nobody"), []string{"nobody"}},
		{line("node replace node-99"), []string{"node-99"}},
		{line("node replace node-1"), []string{"--force"}},
		{line("node replace node-1 --force", stale), []string{"generation"}},
		{line("node adopt node-99"), []string{"node-99"}},
		{line("node adopt node-1"), []string{"not ahead"}},
		{line("node adopt node-1", stale), []string{"generation"}},
		{line("node activate node-99"), []string{"node-99"}},
		{line("node activate node-1", stale), []string{"generation"}},
		{line("node remove node-99 --yes"), []string{"node-99"}},
		{line("node remove node-1 --yes"), []string{"--force"}},
		{line("node remove node-1 --force"), []string{"--yes"}},
		{line("topology import -f /nowhere/at-all.yaml"), []string{"node-1 acts"}},
		{line("topology import --name", []string{"Not A Name!"}), nil},

		{line("member leave nobody --yes"), []string{"nobody"}},
		{line("member leave member-1"), []string{"--yes"}},
		{line("member remove nobody --yes"), []string{"nobody"}},
		{line("member transfer nobody"), []string{"nobody"}},
		{line("member leave member-1 --yes --request-id never"), []string{"never"}},
		{line("status --check --watch"), nil},
		{line("event watch --after -1"), nil},
	} {
		t.Run(strings.Join(c.args, " ")[:min(60, len(strings.Join(c.args, " ")))], func(t *testing.T) { refused(t, s.CLI(c.args...), 1, c.words...) })
	}
	t.Run("a request id that was used for something else", func(t *testing.T) {
		id := uuid.Must(uuid.NewV7()).String()
		s.CLI("node", "cordon", "node-1", "--request-id", id, "--expected-generation", "7777") // refused, and kept as that
		refused(t, s.CLI("node", "drain", "node-2", "--request-id", id), 1, id)
	})
}

func (s *scene) refusedSnapshots(t *testing.T) {
	dir := loopback.Dir(t)
	file := filepath.Join(dir, "state")
	s.CLI("member", "snapshot", "save", file).OK(t)
	refused(t, s.CLI("member", "snapshot", "save", file), 1, file, "--replace")
	refused(t, s.CLI("member", "snapshot", "save", "/nowhere/at/all"), 1, "/nowhere/at")
	refused(t, s.CLI("member", "snapshot", "save", dir, "--replace"), 1, dir)
	refused(t, s.CLI("member", "snapshot", "save"), 1)
	refused(t, cluster.Run(t, "member", "snapshot", "inspect", "/nowhere/at-all"), 1, "/nowhere/at-all")
	refused(t, cluster.Run(t, "member", "snapshot", "inspect", s.File("no-snapshot", "imap")), 1, "no-snapshot")
	live := s.Members[0]
	refused(t, cluster.Run(t, "member", "recover", "--data", live.Data, "--yes"), 1, live.Data)
	refused(t, cluster.Run(t, "member", "recover", "--data", filepath.Join(dir, "none"), "--yes"), 1, "none")
	restore := func(args ...string) cluster.Result {
		return cluster.Run(t, append([]string{"member", "restore", "--name", "m9", "--address", loopback.FreeAddress(t), "--raft-address", loopback.FreeAddress(t)}, args...)...)
	}
	refused(t, restore("--data", live.Data, "--from", file), 1, live.Data)
	refused(t, restore("--data", filepath.Join(dir, "new"), "--from", filepath.Join(dir, "none")), 1, "none")
	refused(t, restore("--data", filepath.Join(dir, "new")), 1, "--from")
}

// refusedRoles: what an operator may, an agent and a member may not.
func (s *scene) refusedRoles(t *testing.T) {
	for role, name := range map[string]string{"agent": "node-1", "member": "member-1"} {
		files := s.Certs(role, name)
		for _, args := range [][]string{
			{"node", "drain", "node-1"}, {"node", "undrain", "node-1"}, {"freeze", "--for", "1h", "--reason", "why"}, {"unfreeze", "--scope", "all"},
			{"node", "hands-off", "node-1", "--for", "1h", "--reason", "why"}, {"node", "hands-on", "node-1"}, {"hold", "end", "--reason", "why"},
			{"plan", "reject", "0123456789abcdef"}, {"node", "replace", "node-1", "--force"}, {"node", "adopt", "node-1"}, {"node", "activate", "node-1"},
			{"member", "remove", "member-2", "--yes"}, {"member", "snapshot", "save", filepath.Join(loopback.Dir(t), "state")},
		} {
			if role == "member" && args[0] == "member" && args[1] == "remove" {
				continue // a member that leaves says so itself
			}
			r := cluster.Run(t, append(args, "--member", s.Members[0].Address, "--ca", files.CA, "--cert", files.Cert, "--key", files.Key, "--timeout", "10s")...)
			t.Run(role+": "+strings.Join(args[:2], " "), func(t *testing.T) { refused(t, r, 1, "its role is "+role, "user") })
		}
	}
}

func (s *scene) refusedWithoutLeader(t *testing.T) {
	left := s.Members[2]
	s.Members[0].Kill()
	s.Members[1].Kill()
	cluster.Until(t, site.Bound, "the last member knows that it has no leader", func() error {
		if r := s.CLI("status", "--timeout", "5s"); r.Code != 4 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	// All at once: each waits for a leader for a while.
	var waiting sync.WaitGroup
	results := make(chan cluster.Result, 100)
	for _, args := range [][]string{
		{"node", "drain", "node-1"}, {"node", "undrain", "node-1"}, {"freeze", "--for", "1h", "--reason", "why"}, {"unfreeze", "--scope", "all"},
		{"node", "hands-off", "node-1", "--for", "1h", "--reason", "why"}, {"hold", "end", "--reason", "why"}, {"plan", "approve", "0123456789abcdef", "--yes"},
		{"plan", "reject", "0123456789abcdef"}, {"plan", "list"}, {"freezes"}, {"hold", "show"}, {"node", "ok-to-stop", "node-1"},
		{"node", "replace", "node-1", "--force"}, {"node", "adopt", "node-1"}, {"node", "activate", "node-1"}, {"member", "leave", "member-3", "--yes"},
		{"member", "snapshot", "save", filepath.Join(loopback.Dir(t), "state")},
	} {
		waiting.Go(func() { results <- s.CLI(append(args, "--timeout", "10s")...) })
	}
	waiting.Wait()
	close(results)
	for r := range results {
		refused(t, r, 4, "leader")
	}
	t.Run("stale reads", func(t *testing.T) {
		for _, args := range [][]string{{"freezes"}, {"hold", "show"}, {"plan", "list"}, {"node", "list"}} {
			s.CLI(append(args, "--stale", "--timeout", "10s")...).OK(t)
		}
		if r := s.CLI("node", "ok-to-stop", "node-1", "--stale", "--timeout", "10s"); r.Code != 2 {
			t.Errorf("nobody leads, and a node may be stopped: %s", r)
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		as := s.browser(t, "user", "operator")
		as.refused(t, left, "roster.v1.GuardService/CreateFreeze", fmt.Sprintf(`{"request_id": %q, "for": "60s", "reason": "why"}`, uuid.Must(uuid.NewV7())), 503, "NO_LEADER")
		as.refused(t, left, "roster.v1.GuardService/GetGuard", `{}`, 503, "NO_LEADER")
		as.page(t, left, "/readyz", 503)
		as.page(t, left, "/healthz", 200)
	})
	s.Members[0].Start()
	s.Members[1].Start()
}
