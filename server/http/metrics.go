package http

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	v1 "roster/proto/roster/v1"
	"roster/server/status"
)

// Figures is what a member knows when it is scraped. It asks nobody: what a
// member without a leader shows is what it knew last.
type Figures struct {
	Status  *v1.Status
	Member  string
	Version string
	// Leads: this member decides.
	Leads bool
	// Sessions are the agents that this member hears.
	Sessions int
	// Applied is the newest Raft index that the state holds.
	Applied uint64
}

// Source tells the figures of now.
type Source func() Figures

// metrics serves the member's own series and Raft's.
func (c Config) metrics() http.Handler {
	own := prometheus.NewRegistry()
	own.MustRegister(collector{c.Collect}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(prometheus.Gatherers{own, raftSeries()}, promhttp.HandlerOpts{})
}

// collector makes the series of one scrape from the figures of that moment, so
// that nothing has to be kept up to date between scrapes.
type collector struct{ figures Source }

func series(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("roster_"+name, help, labels, nil)
}

var (
	infoSeries     = series("info", "Always 1; its labels name the member.", "cluster", "member", "version")
	statusSeries   = series("status", "1 for the first word of status, 0 for the others.", "state")
	leadsSeries    = series("leads", "1 where this member leads.")
	leaderSeries   = series("leader_known", "1 where this member knows a leader.")
	appliedSeries  = series("applied_index", "Newest Raft index that this member's state holds.")
	termSeries     = series("term", "Raft term.")
	epochSeries    = series("epoch", "Epoch of the cluster: raised by recovery and restore.")
	sessionsSeries = series("sessions", "Agents that this member hears.")
	revisionSeries = series("topology_revision", "Topology revision in force; 0: none.")
	settledSeries  = series("settled", "1 where nothing is to be moved and everything wanted is ready.")
	readySeries    = series("service_ready_nodes", "Nodes that are ready for a service.", "service")
	wantedSeries   = series("service_wanted_nodes", "Nodes that are wanted serving it.", "service")
	floorSeries    = series("service_floor", "Fewest ready nodes that the topology asks for.", "service")
	inForceSeries  = series("service_floor_in_force", "Fewest ready nodes that are kept at the moment.", "service")
	borrowedSeries = series("service_borrowed_nodes", "Nodes that have borrowed it.", "service")
	nodesSeries    = series("nodes", "Registered nodes by state.", "state")
	drainedSeries  = series("nodes_drained", "Nodes that are drained, or on the way.")
	shortSeries    = series("shortages", "Pools and services that today's nodes cannot fill.")
	membersSeries  = series("members", "Members by state.", "state")
	holdSeries     = series("hold", "1 where Roster holds: too many nodes are silent at once.")
	freezesSeries  = series("freezes", "Freezes in force.")
	plansSeries    = series("plans_pending", "Plans that wait for the operator's word.")
	rolloutSeries  = series("rollout", "1 for what the operator's last order does, 0 for the others.", "state")
	canarySeries   = series("canary_failed", "1 where a rollout waits because the nodes that went first are not well.")
	survivesSeries = series("survives", "1 where any single loss of a kind leaves every service served; nothing while that is worked out.", "loss")
	spareSeries    = series("survives_members", "Members that may be lost together.")
	unkeptSeries   = series("survives_unkept", "Promises under survives that are not true.")
)

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		infoSeries, statusSeries, leadsSeries, leaderSeries, appliedSeries, termSeries, epochSeries, sessionsSeries, revisionSeries, settledSeries,
		readySeries, wantedSeries, floorSeries, inForceSeries, borrowedSeries, nodesSeries, drainedSeries, shortSeries, membersSeries,
		holdSeries, freezesSeries, plansSeries, rolloutSeries, canarySeries, survivesSeries, spareSeries, unkeptSeries,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	f := c.figures()
	s := f.Status
	put := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	put(infoSeries, 1, s.GetCluster(), f.Member, f.Version)
	for number, name := range v1.StatusState_name {
		if number != 0 {
			put(statusSeries, flag(int32(s.GetState()) == number), lower(name, "STATUS_STATE_"))
		}
	}
	put(leadsSeries, flag(f.Leads))
	put(leaderSeries, flag(s.GetState() != v1.StatusState_STATUS_STATE_NO_QUORUM))
	put(appliedSeries, float64(f.Applied))
	put(termSeries, float64(s.GetTerm()))
	put(epochSeries, float64(s.GetEpoch()))
	put(sessionsSeries, float64(f.Sessions))
	put(revisionSeries, float64(s.GetTopology().GetRevision()))
	put(settledSeries, flag(s.GetSettled()))
	for name, row := range s.GetServices() {
		put(readySeries, float64(row.GetReady()), name)
		put(wantedSeries, float64(row.GetWanted()), name)
		put(floorSeries, float64(row.GetFloor()), name)
		put(inForceSeries, float64(row.GetFloorInForce()), name)
		put(borrowedSeries, float64(len(row.GetBorrowed())), name)
	}
	nodes, drained := map[v1.NodeState]int{}, 0
	for _, n := range s.GetNodes() {
		nodes[n.GetState()]++
		if n.GetDrained() {
			drained++
		}
	}
	for number, name := range v1.NodeState_name {
		if number != 0 {
			put(nodesSeries, float64(nodes[v1.NodeState(number)]), lower(name, "NODE_STATE_"))
		}
	}
	put(drainedSeries, float64(drained))
	put(shortSeries, float64(len(s.GetShortages())))
	members := map[v1.MemberState]int{}
	for _, m := range s.GetMembers() {
		members[m.GetState()]++
	}
	for number, name := range v1.MemberState_name {
		put(membersSeries, float64(members[v1.MemberState(number)]), lower(name, "MEMBER_STATE_"))
	}
	put(holdSeries, flag(s.GetHold() != nil))
	put(freezesSeries, float64(len(s.GetFreezes())))
	pending := 0
	for _, p := range s.GetPlans() {
		if p.GetState() == v1.PlanState_PLAN_STATE_PENDING {
			pending++
		}
	}
	put(plansSeries, float64(pending))
	for number, name := range v1.RolloutState_name {
		if number != 0 {
			put(rolloutSeries, flag(int32(s.GetRollout().GetState()) == number), lower(name, "ROLLOUT_STATE_"))
		}
	}
	put(canarySeries, flag(status.CanaryFailed(s.GetRollout())))
	if outlook := s.GetSurvival(); outlook != nil {
		put(survivesSeries, flag(outlook.GetAnyNode()), "node")
		put(survivesSeries, flag(outlook.GetAnyZone()), "zone")
		put(survivesSeries, flag(outlook.GetAnyRegion()), "region")
		put(spareSeries, float64(outlook.GetMembers()))
		put(unkeptSeries, float64(len(outlook.GetUnkept())))
	}
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// lower is an enum's word as the JSON form writes it; `unknown` for the first.
func lower(name, prefix string) string {
	word := strings.ToLower(strings.TrimPrefix(name, prefix))
	if word == "unspecified" {
		return "unknown"
	}
	return word
}
