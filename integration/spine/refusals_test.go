package spine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"roster/client"
	"roster/client/identity"
	"roster/integration/cluster"
	"roster/integration/loopback"
	v1 "roster/proto/roster/v1"
)

const plainTopology = `cluster: example-mail
name: plain
pools:
  - {name: imap, services: [imap], count: 1}
`

// refused runs a command that must end with this code and these words on its
// error output.
func refused(t *testing.T, result cluster.Result, code int, words ...string) {
	t.Helper()
	t.Log(strings.TrimSpace(result.String()))
	if result.Code != code {
		t.Errorf("exit code %d, wanted %d: %s", result.Code, code, result)
	}
	if strings.Contains(result.Stderr, "panic") || strings.Contains(result.Stderr, "rpc error") {
		t.Errorf("not a sentence for people: %s", result)
	}
	for _, word := range words {
		if !strings.Contains(strings.ToLower(result.Stderr), strings.ToLower(word)) {
			t.Errorf("no word of %q: %s", word, result)
		}
	}
}

func TestBadInputIsRefusedWithAClearErrorAndNothingIsLost(t *testing.T) {
	c := cluster.New(t, cluster.Options{})
	c.StartAgents(time.Minute, cluster.Builtin(t, "node-1", "a", "a1", "imap"), cluster.Builtin(t, "node-2", "a", "a2", "imap"))
	c.CLI("topology", "apply", "-f", c.File("plain.yaml", plainTopology), "--yes").OK(t)
	before := c.Settled(time.Minute, "plain")

	t.Run("commands", func(t *testing.T) { badCommands(t, c) })
	t.Run("files", func(t *testing.T) { badFiles(t, c) })
	t.Run("request ids", func(t *testing.T) { badRequestIDs(t, c) })
	t.Run("certificates", func(t *testing.T) { badCertificates(t, c) })
	t.Run("folders and ports", func(t *testing.T) { badStarts(t, c) })

	after := c.Settled(time.Minute, "plain")
	if after.Topology.Revision != before.Topology.Revision || len(after.Nodes) != 2 || len(after.Members) != 3 || after.State != "ok" {
		t.Errorf("after everything that was refused: %+v", after)
	}
	t.Run("no quorum", func(t *testing.T) { badTimes(t, c) })
	kept := c.Settled(2*time.Minute, "plain")
	if kept.Topology.Revision != before.Topology.Revision {
		t.Errorf("revision was %d, is %d", before.Topology.Revision, kept.Topology.Revision)
	}
}

func badCommands(t *testing.T, c *cluster.Cluster) {
	file := c.File("other.yaml", strings.Replace(plainTopology, "count: 1", "count: 2", 1))
	for _, n := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"unknown node", []string{"node", "cordon", "node-99"}, []string{"node-99"}},
		{"unknown node to remove", []string{"node", "remove", "node-99", "--yes"}, []string{"node-99"}},
		{"unknown node to get", []string{"node", "get", "node-99"}, []string{"node-99"}},
		{"node that is up to remove", []string{"node", "remove", "node-1", "--yes"}, []string{"node-1"}},
		{"stale revision", []string{"topology", "apply", "-f", file, "--yes", "--expected-revision", "7"}, []string{"revision"}},
		{"stale basis", []string{"topology", "apply", "-f", file, "--plan", "0123456789abcdef"}, []string{"plan"}},
		{"nobody to ask", []string{"topology", "apply", "-f", file}, []string{"--yes", "--plan"}},
		{"revision that never was", []string{"topology", "rollback", "99", "--yes"}, []string{"99"}},
		{"stale generation", []string{"node", "cordon", "node-1", "--expected-generation", "77"}, []string{"generation"}},
		{"another cluster's id", []string{"node", "list", "--cluster-id", "0123"}, []string{"cluster"}},
		{"member that is none", []string{"member", "remove", "nobody", "--yes"}, []string{"nobody"}},
		{"unknown verb", []string{"topology", "aply"}, []string{"apply"}},
	} {
		t.Run(n.name, func(t *testing.T) { refused(t, c.CLI(n.args...), 1, n.words...) })
	}
}

func badFiles(t *testing.T, c *cluster.Cluster) {
	bomb := "name: bomb\na: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n",
			'b'+i, 'b'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	for _, n := range []struct {
		name, text string
		words      []string
	}{
		{"1 MB", plainTopology + strings.Repeat("# mail\n", 150_000), []string{"bytes", "mend"}},
		{"alias bomb", bomb, []string{"bad.yaml:2:4", "alias", "mend"}},
		{"second document", plainTopology + "---\nname: other\n", []string{"bad.yaml:5:1", "document", "mend"}},
		{"wrong cluster name", strings.Replace(plainTopology, "example-mail", "another-mail", 1), []string{"another-mail", "example-mail"}},
		{"misspelt key", strings.Replace(plainTopology, "count", "cuont", 1), []string{"bad.yaml:4:36", "cuont", "count"}},
		{"empty", "", nil},
		{"more nodes than there are", strings.Replace(plainTopology, "count: 1", "count: 9", 1), []string{"--accept-shortage"}},
	} {
		t.Run(n.name, func(t *testing.T) {
			refused(t, c.CLI("topology", "apply", "-f", c.File("bad.yaml", n.text), "--yes"), 1, n.words...)
		})
	}
	t.Run("no such file", func(t *testing.T) {
		refused(t, c.CLI("topology", "apply", "-f", "/nowhere/at-all.yaml", "--yes"), 1, "/nowhere/at-all.yaml")
	})
}

func badRequestIDs(t *testing.T, c *cluster.Cluster) {
	id := uuid.Must(uuid.NewV7()).String()
	set := func(value string) cluster.Result {
		return c.CLI("node", "update", "node-1", "--label", "tried="+value, "--request-id", id)
	}
	set("once").OK(t)
	set("once").OK(t)
	t.Run("same id with other content", func(t *testing.T) { refused(t, set("twice"), 1, id) })
	t.Run("no UUIDv7", func(t *testing.T) {
		refused(t, c.CLI("node", "update", "node-1", "--label", "tried=thrice", "--request-id", "tuesday"), 1, "tuesday")
	})
	t.Run("id that is no longer kept", func(t *testing.T) {
		forgetResults(t, c)
		refused(t, set("once"), 1, "old")
	})
	var got struct {
		Node struct {
			Labels map[string]string `json:"labels"`
		} `json:"node"`
	}
	if err := c.JSON(&got, "node", "get", "node-1"); err != nil || got.Node.Labels["tried"] != "once" {
		t.Errorf("labels %v, %v", got.Node.Labels, err)
	}
}

// forgetResults writes until the cluster keeps none of the older results: it
// keeps the newest 128 Ki.
func forgetResults(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	files := c.Certs("user", "operator")
	tls, err := identity.ClientTLS(identity.Files{CA: files.CA, Cert: files.Cert, Key: files.Key}, c.Name)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := client.New(client.Config{Members: []string{c.Leader(time.Minute).Address}, TLS: tls})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // nothing is under way
	nodes := v1.NewNodeServiceClient(conn)
	const most = 512
	for range (128<<10)/most + 2 {
		var updates []*v1.UpdateNodeRequest
		for range most {
			updates = append(updates, &v1.UpdateNodeRequest{RequestId: conn.RequestID(), Id: "node-2", SetLabels: map[string]string{"busy": "yes"}})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := nodes.UpdateNodes(ctx, &v1.UpdateNodesRequest{Updates: updates})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func badCertificates(t *testing.T, c *cluster.Cluster) {
	as := func(member string, files cluster.Files, args ...string) cluster.Result {
		return cluster.Run(t, append(args, "--member", member, "--timeout", "5s", "--ca", files.CA, "--cert", files.Cert, "--key", files.Key)...)
	}
	address := c.Members[0].Address
	operator := c.Certs("user", "operator")
	t.Run("an agent's, to change the topology", func(t *testing.T) {
		file := c.File("agents.yaml", plainTopology)
		refused(t, as(address, c.Certs("agent", "node-1"), "topology", "apply", "-f", file, "--yes"), 1, "agent")
	})
	t.Run("a user's, to run a member", func(t *testing.T) {
		data := filepath.Join(loopback.Dir(t), "data")
		ports := loopback.Ports(t, 2)
		cluster.Run(t, "init", "--data", data, "--cluster", c.Name, "--name", "impostor", "--address", loopback.Address(ports[0]), "--raft-address", loopback.Address(ports[1])).OK(t)
		refused(t, cluster.Run(t, "server", "--data", data, "--ca", operator.CA, "--cert", operator.Cert, "--key", operator.Key), 1, "member")
	})
	t.Run("an agent's, to join as a member", func(t *testing.T) {
		data := filepath.Join(loopback.Dir(t), "data")
		ports := loopback.Ports(t, 2)
		refused(t, as(address, c.Certs("agent", "node-1"), "join", "--data", data, "--name", "impostor",
			"--address", loopback.Address(ports[0]), "--raft-address", loopback.Address(ports[1])), 1, "agent")
	})
	t.Run("another cluster's", func(t *testing.T) {
		other := cluster.Prepare(t, cluster.Options{Members: 1})
		stranger := other.Certs("user", "operator")
		refused(t, as(address, stranger, "node", "list"), 1)
		stranger.CA = operator.CA
		refused(t, as(address, stranger, "node", "list"), 1)
	})
	t.Run("none", func(t *testing.T) {
		refused(t, cluster.Run(t, "node", "list", "--member", address, "--timeout", "5s"), 1)
	})
	t.Run("a certificate without its key", func(t *testing.T) {
		refused(t, cluster.Run(t, "node", "list", "--member", address, "--cert", operator.Cert), 1, "--key")
	})
	t.Run("another node's", func(t *testing.T) {
		a := c.AddAgent(cluster.Builtin(t, "node-3", "a", "a1", "imap"))
		text, err := os.ReadFile(a.Config)
		if err != nil {
			t.Fatal(err)
		}
		own, others := c.Certs("agent", "node-3"), c.Certs("agent", "node-1")
		changed := strings.NewReplacer(own.Cert, others.Cert, own.Key, others.Key).Replace(string(text))
		c.File("node-3.yaml", changed)
		a.Start()
		cluster.Until(t, time.Minute, "the agent says that it is not let in", func() error {
			log, err := os.ReadFile(a.Log)
			if err == nil && (!strings.Contains(string(log), "node-3") || !strings.Contains(string(log), "node-1")) {
				err = fmt.Errorf("log:\n%s", log)
			}
			return err
		})
		if a.Running() {
			a.Stop()
		}
		if result := c.CLI("node", "get", "node-3"); result.Code != 1 {
			t.Errorf("the node was registered: %s", result)
		}
	})
}

func badStarts(t *testing.T, c *cluster.Cluster) {
	member := c.Members[1]
	files := c.Certs("member", member.Name)
	tls := []string{"--ca", files.CA, "--cert", files.Cert, "--key", files.Key}
	ports := loopback.Ports(t, 2)
	t.Run("folder in use", func(t *testing.T) {
		refused(t, cluster.Run(t, append([]string{"server", "--data", member.Data,
			"--listen", loopback.Address(ports[0]), "--raft-listen", loopback.Address(ports[1])}, tls...)...), 1, member.Data)
	})
	t.Run("init over a member", func(t *testing.T) {
		refused(t, cluster.Run(t, "init", "--data", member.Data, "--cluster", "x", "--name", "y",
			"--address", loopback.Address(ports[0]), "--raft-address", loopback.Address(ports[1])), 1, member.Data)
	})
	t.Run("folder that is none", func(t *testing.T) {
		missing := filepath.Join(loopback.Dir(t), "missing")
		refused(t, cluster.Run(t, append([]string{"server", "--data", missing}, tls...)...), 1, missing)
	})
	for name, listen := range map[string][2]string{
		"API port in use":  {member.Address, loopback.Address(ports[1])},
		"Raft port in use": {loopback.Address(ports[0]), member.RaftAddress},
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(loopback.Dir(t), "data")
			cluster.Run(t, "init", "--data", data, "--cluster", c.Name, "--name", "late", "--address", listen[0], "--raft-address", listen[1]).OK(t)
			files := c.Certs("member", "late")
			taken := listen[0]
			if taken != member.Address {
				taken = listen[1]
			}
			refused(t, cluster.Run(t, "server", "--data", data, "--ca", files.CA, "--cert", files.Cert, "--key", files.Key), 1, taken)
		})
	}
	t.Run("agent's folder in use", func(t *testing.T) {
		config := filepath.Join(c.Dir, "node-1.yaml")
		refused(t, cluster.Run(t, "agent", "--config", config), 1, "data-node-1")
	})
	t.Run("without certificates beyond loopback", func(t *testing.T) {
		data := filepath.Join(loopback.Dir(t), "data")
		cluster.Run(t, "init", "--data", data, "--cluster", "open", "--name", "m", "--address", loopback.Address(ports[0]), "--raft-address", loopback.Address(ports[1])).OK(t)
		refused(t, cluster.Run(t, "server", "--data", data, "--listen", fmt.Sprintf("0.0.0.0:%d", ports[0])), 1, "loopback")
		refused(t, cluster.Run(t, "node", "list", "--member", "192.0.2.1:7100"), 1, "loopback")
	})
}

func badTimes(t *testing.T, c *cluster.Cluster) {
	c.Members[0].Kill()
	c.Members[1].Kill()
	cluster.Until(t, time.Minute, "the last member knows that it has no leader", func() error {
		if result := c.CLI("status", "--timeout", "5s"); result.Code != 4 {
			return fmt.Errorf("%s", result)
		}
		return nil
	})
	t.Run("status is stale and says so", func(t *testing.T) {
		result := c.CLI("status", "-o", "json", "--timeout", "5s")
		status := decodeStatus(t, result.Stdout)
		if result.Code != 4 || status.State != "no_quorum" || status.Topology == nil || status.Topology.Name != "plain" {
			t.Errorf("%s", result)
		}
	})
	t.Run("status --check", func(t *testing.T) {
		if result := c.CLI("status", "--check", "--timeout", "5s"); result.Code != 2 {
			t.Errorf("%s", result)
		}
	})
	t.Run("a write", func(t *testing.T) {
		refused(t, c.CLI("node", "cordon", "node-1", "--timeout", "8s"), 4, "leader")
	})
	t.Run("a change", func(t *testing.T) {
		refused(t, c.CLI("topology", "apply", "-f", c.File("again.yaml", plainTopology+"# again\n"), "--yes", "--timeout", "8s"), 4, "leader")
	})
	c.Members[2].Kill()
	t.Run("nobody answers", func(t *testing.T) {
		refused(t, c.CLI("node", "list", "--timeout", "3s"), 1, c.Members[0].Address)
	})
	for _, m := range c.Members {
		m.Start()
	}
}
