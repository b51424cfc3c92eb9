// Package agent is the part of Roster that runs on a mail host: it holds a session
// with any member, keeps the node's newest set on disk, and makes it true with
// drivers. It owns the data folder and the drivers; it must not know how members
// decide, and never imports server or fsm.
//
// New starts nothing; Run starts one goroutine per service, one for the sessions and
// one that takes sets in, and waits for all of them. What they share is in board
// (reports), orders (the set that is held) and membership (what is on disk), each
// behind its own lock.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"roster/agent/driver"
	"roster/agent/driver/builtin"
	"roster/agent/driver/exec"
	"roster/agent/driver/process"
	"roster/agent/probe"
	"roster/client/identity"
	v1 "roster/proto/roster/v1"
)

// lookFirst bounds how long the first look at the services may delay the first
// session: an agent that restarts beside running services should say at once that
// they serve.
const lookFirst = 3 * time.Second

// Agent makes one node's set true.
type Agent struct {
	cfg         Config
	log         *slog.Logger
	credentials credentials.TransportCredentials

	orders     *orders
	board      *board
	inbox      inbox
	trouble    trouble
	freezing   sync.Mutex
	membership *membership
	folder     *folder
	workers    map[string]*worker
}

// New checks the config.
func New(cfg Config) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Claims = claims(cfg)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Probe == nil {
		cfg.Probe = probe.Check
	}
	if cfg.FreezeFile == "" {
		cfg.FreezeFile = filepath.Join(cfg.Dir, freezeFile)
	}
	if cfg.ProbeInterval == 0 {
		cfg.ProbeInterval = DefaultProbeInterval
	}
	a := &Agent{
		cfg:         cfg,
		log:         cfg.Logger.With("node", cfg.Node),
		credentials: insecure.NewCredentials(),
		inbox:       make(inbox, 1),
		board:       newBoard(cfg.Claims.GetServices()),
	}
	a.trouble.a = a
	var names []string
	for _, c := range cfg.Claims.GetServices() {
		names = append(names, c.GetName())
	}
	a.orders = newOrders(names, a.observes())
	a.membership = &membership{
		configured:   cfg.Members,
		loopbackOnly: cfg.TLS.IsZero(),
		path:         filepath.Join(cfg.Dir, cacheFile),
	}
	if !cfg.TLS.IsZero() {
		who, err := cfg.TLS.Identity()
		if err != nil {
			return nil, fmt.Errorf("agent: %w", err)
		}
		if who.Role != identity.Agent || who.Name != cfg.Node {
			return nil, fmt.Errorf("agent: certificate %s is for %s, this is the agent of node %s: issue one with role agent and that name", cfg.TLS.Cert, who.URI(), cfg.Node)
		}
		tlsConfig, err := identity.ClientTLS(cfg.TLS, who.Cluster)
		if err != nil {
			return nil, fmt.Errorf("agent: %w", err)
		}
		a.credentials = credentials.NewTLS(tlsConfig)
	}
	return a, nil
}

// claims are what the agent says of its node, with what follows from elsewhere in
// the config filled in.
func claims(cfg Config) *v1.NodeClaims {
	if cfg.Claims == nil {
		return &v1.NodeClaims{}
	}
	c := proto.CloneOf(cfg.Claims)
	if c.GetMode() == v1.AgentMode_AGENT_MODE_UNSPECIFIED {
		c.Mode = v1.AgentMode_AGENT_MODE_ACT
	}
	for _, s := range c.GetServices() {
		s.ChangeMode = v1.ChangeMode_CHANGE_MODE_LIVE
		if s.GetRestartGroup() != "" {
			s.ChangeMode = v1.ChangeMode_CHANGE_MODE_RESTART
		}
		for _, e := range s.GetEndpoints() {
			e.Service, e.Node = s.GetName(), cfg.Node
			if e.GetTls() == v1.Tls_TLS_UNSPECIFIED {
				e.Tls = v1.Tls_TLS_NONE
			}
		}
	}
	return c
}

// Run serves until ctx ends. Services of drivers that can outlive the agent run on;
// those of the builtin driver end with it. It runs once.
func (a *Agent) Run(ctx context.Context) (err error) {
	drivers := maps.Clone(a.cfg.Drivers)
	if drivers == nil {
		drivers = make(map[string]driver.Driver)
	}
	defer func() {
		for _, d := range drivers {
			err = errors.Join(err, d.Close())
		}
	}()
	if a.folder, err = openFolder(a.cfg.Dir); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	defer a.folder.close()
	a.lookAtFreeze()
	a.recall()
	if err := a.openDrivers(drivers); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	a.makeWorkers(drivers)

	var wait sync.WaitGroup
	for _, w := range a.workers {
		wait.Go(func() { w.run(ctx) })
	}
	wait.Go(func() { a.takeSets(ctx) })
	wait.Go(func() { a.watchFreeze(ctx) })
	wait.Go(func() {
		look := time.NewTimer(lookFirst)
		defer look.Stop()
		select {
		case <-a.board.seen:
		case <-look.C:
		case <-ctx.Done():
		}
		a.keepSession(ctx)
	})
	wait.Wait()
	return nil
}

// recall takes in what the agent held when it last ran.
func (a *Agent) recall() {
	path := a.membership.path
	m, err := readMemory(path)
	if err != nil {
		// Without its set the agent touches nothing until a member sends it anew.
		a.log.Error("the cached set cannot be used; nothing is started or stopped until a member answers", "file", path, "error", err)
		if errors.Is(err, errCache) {
			_ = os.Rename(path, path+".damaged")
		}
		return
	}
	a.membership.memory = m
	if m.set == nil {
		return
	}
	set := m.set
	if a.observes() && m.claimed.GetMode() != v1.AgentMode_AGENT_MODE_OBSERVE {
		// It was told to an agent that acted. This one acts when a member says so.
		set = proto.CloneOf(set)
		set.Observe = true
	}
	if err := a.take(set, false); err != nil {
		a.log.Error("the cached set is not acted on", "file", path, "error", err)
	}
}

// observes is what the config says; members may say otherwise.
func (a *Agent) observes() bool {
	return a.cfg.Claims.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE
}

// openDrivers makes each driver that services name, unless it is there.
func (a *Agent) openDrivers(drivers map[string]driver.Driver) error {
	byDriver := make(map[string][]*v1.ServiceClaim)
	for _, c := range a.cfg.Claims.GetServices() {
		byDriver[c.GetDriver()] = append(byDriver[c.GetDriver()], c)
	}
	for name, claims := range byDriver {
		if drivers[name] != nil {
			continue
		}
		var d driver.Driver
		var err error
		switch name {
		case DriverBuiltin:
			d, err = builtin.New(builtin.Config{Services: claims})
		case DriverProcess:
			var services []process.Service
			for _, c := range claims {
				services = append(services, process.Service{Name: c.GetName(), Endpoints: c.GetEndpoints(), Command: a.cfg.Process[c.GetName()]})
			}
			d, err = process.New(process.Config{Dir: a.folder.file("services"), Owner: a.folder.instance, Services: services})
		case DriverExec:
			var services []exec.Service
			for _, c := range claims {
				services = append(services, exec.Service{Name: c.GetName(), Endpoints: c.GetEndpoints(), Scripts: a.cfg.Exec[c.GetName()]})
			}
			d, err = exec.New(exec.Config{Dir: a.folder.file("services"), Owner: a.folder.instance, Services: services})
		default:
			err = fmt.Errorf("there is no driver %q", name)
		}
		if err != nil {
			return err
		}
		drivers[name] = d
	}
	return nil
}

func (a *Agent) makeWorkers(drivers map[string]driver.Driver) {
	a.workers = make(map[string]*worker)
	turns := make(map[string]chan struct{})
	for _, c := range a.cfg.Claims.GetServices() {
		w := &worker{a: a, claim: c, name: c.GetName(), driver: drivers[c.GetDriver()], kick: make(chan struct{}, 1)}
		if g := c.GetRestartGroup(); g != "" {
			if turns[g] == nil {
				turns[g] = make(chan struct{}, 1)
			}
			w.turn = turns[g]
		}
		a.workers[w.name] = w
	}
}

// Reports are the services as the agent sees them now, sorted by service. They must
// not be changed.
func (a *Agent) Reports() []*v1.ServiceReport { return a.board.peek().GetReports() }

// Held returns epoch and generation of the newest set whose changes were begun.
func (a *Agent) Held() (epoch, generation uint64) {
	h := a.board.peek()
	return h.GetEpoch(), h.GetGeneration()
}
