package whatif_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// page is what a story says happened, as it stands in its file: every line is
// indented, so that it is told apart from what the author wrote.
type page struct{ lines []string }

func (p *page) say(depth int, format string, args ...any) {
	p.lines = append(p.lines, strings.Repeat("  ", depth)+fmt.Sprintf(format, args...))
}

func actionWord(a v1.Action) string {
	return strings.ToLower(strings.TrimPrefix(a.String(), "ACTION_"))
}

// happened tells what followed from an event.
func (p *page) happened(done rest) {
	if len(done.waves) == 0 {
		p.say(1, "nothing moves")
	}
	for i, one := range done.waves {
		p.say(1, "wave %d", i+1)
		p.moves(one.moves)
		p.say(2, "ready: %s", counts(one))
	}
	for _, s := range done.target.Shortages {
		p.say(1, "short: %s", s.GetReason())
	}
	for _, w := range done.waiting {
		p.say(1, "waits: %s", w)
	}
}

// moves lists a wave; what is done for one reason stands in one line.
func (p *page) moves(moves []*v1.Move) {
	type kind struct{ action, service, cause, reason string }
	var order []kind
	nodes := map[kind][]string{}
	for _, m := range moves {
		k := kind{action: actionWord(m.GetAction()), service: m.GetService(), reason: m.GetReason()}
		if m.GetCause() == v1.Cause_CAUSE_REPAIR {
			k.cause = "repair, "
		}
		if nodes[k] == nil {
			order = append(order, k)
		}
		nodes[k] = append(nodes[k], m.GetNode())
	}
	for _, k := range order {
		p.say(2, "%s %s on %s: %s%s", k.action, k.service, idRanges(nodes[k]), k.cause, k.reason)
	}
}

// counts writes what a wave leaves: as soon as it is committed, and once it is
// finished.
func counts(one wave) string {
	keys := maps.Clone(one.floors)
	maps.Copy(keys, one.committed)
	maps.Copy(keys, one.settled)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		text := fmt.Sprintf("%s %d", key, one.committed[key])
		if one.settled[key] != one.committed[key] {
			text += fmt.Sprintf(" then %d", one.settled[key])
		}
		if one.floors[key] != 1 {
			text += fmt.Sprintf(" (floor %d)", one.floors[key])
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// answers tells what somebody outside finds, and which floors that breaks.
func (p *page) answers(w *world) {
	found, floors := w.answering(), w.inForce()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(floors)) {
		text := fmt.Sprintf("%s %d", key, found[key])
		if found[key] < floors[key] {
			text += fmt.Sprintf(" (UNDER ITS FLOOR OF %d)", floors[key])
		}
		out = append(out, text)
	}
	p.say(1, "answer: %s", strings.Join(out, ", "))
}

// announced tells what a plan says before anything is done.
func (p *page) announced(plan *v1.Plan) {
	if len(plan.GetWaves()) == 0 {
		p.say(1, "plan: nothing to do")
		return
	}
	var lowest []string
	for _, service := range slices.Sorted(maps.Keys(plan.GetLowestReady())) {
		lowest = append(lowest, fmt.Sprintf("%s %d", service, plan.GetLowestReady()[service]))
	}
	gapless := "gapless"
	if !plan.GetGapless() {
		gapless = "NOT GAPLESS"
	}
	p.say(1, "plan: %s, %d starts, %d stops, %s; lowest on the way: %s",
		times(len(plan.GetWaves()), "wave"), plan.GetSummary().GetStarts(), plan.GetSummary().GetStops(), gapless, strings.Join(lowest, ", "))
	for _, g := range plan.GetGaps() {
		p.say(1, "gap: wave %d leaves %s%s %d of %d: %s", g.GetWave(), g.GetService(), g.GetPart(), g.GetReady(), g.GetFloor(), g.GetReason())
	}
	if needs := plan.GetNeeds(); len(needs) > 0 {
		p.say(1, "needs: %s", strings.Join(needs, ", "))
	}
	for _, u := range plan.GetUnkept() {
		p.say(1, "unkept: %s", u)
	}
}

func times(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

func (p *page) conflicts(conflicts []*v1.Conflict) {
	for _, c := range conflicts {
		p.say(1, "conflict: %s", c.GetReason())
		for _, r := range c.GetRules() {
			where := r.GetPath()
			if r.GetLine() > 0 {
				where += fmt.Sprintf(" (line %d)", r.GetLine())
			}
			p.say(2, "%s: %s", where, r.GetText())
		}
	}
}

// serving tells who fills which seat, what stands in, and what ends or has failed.
func (p *page) serving(w *world) {
	type row struct{ pool, what string }
	nodes := map[row][]string{}
	add := func(pool, what, node string) { nodes[row{pool, what}] = append(nodes[row{pool, what}], node) }
	for _, n := range w.nodes {
		seats := map[string][]string{}
		for _, a := range n.GetAssignments() {
			switch {
			case a.GetWanted() == v1.Wanted_WANTED_DRAINING:
				add(a.GetPool(), a.GetService()+" ends", n.GetId())
			case a.GetBorrowed() && n.GetState() == v1.NodeState_NODE_STATE_DOWN:
				add(a.GetPool(), a.GetService()+" without a seat, on a node that is down", n.GetId())
			case a.GetBorrowed():
				add(a.GetPool(), a.GetService()+" stands in", n.GetId())
			default:
				seats[a.GetPool()] = append(seats[a.GetPool()], a.GetService())
			}
		}
		for pool, services := range seats {
			what := ""
			if len(services) != servicesOf(w, pool) {
				what = "only " + strings.Join(services, " and ")
			}
			add(pool, what, n.GetId())
		}
	}
	place := map[string]int{}
	for i, pool := range w.top.GetPools() {
		place[pool.GetName()] = i - len(w.top.GetPools())
	}
	rows := slices.SortedFunc(maps.Keys(nodes), func(a, b row) int {
		return cmp.Or(place[a.pool]-place[b.pool], strings.Compare(a.pool, b.pool), strings.Compare(a.what, b.what))
	})
	for _, r := range rows {
		what := r.pool
		if r.what != "" {
			what += ", " + r.what
		}
		p.say(1, "%s: %s", what, idRanges(nodes[r]))
	}
}

func servicesOf(w *world, pool string) int {
	for _, p := range w.top.GetPools() {
		if p.GetName() == pool {
			return len(p.GetServices())
		}
	}
	return 0
}

// idRanges writes ids as a file does: node-[1-4], node-9.
func idRanges(ids []string) string {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, placement.Compare)
	var out []string
	for i := 0; i < len(ids); {
		stem, first, ok := numbered(ids[i])
		j := i + 1
		for ; ok && j < len(ids) && ids[j] == fmt.Sprintf("%s%d", stem, first+j-i); j++ {
		}
		if j-i > 2 {
			out = append(out, fmt.Sprintf("%s[%d-%d]", stem, first, first+j-i-1))
		} else {
			out = append(out, ids[i:j]...)
		}
		i = j
	}
	return strings.Join(out, ", ")
}

func numbered(id string) (stem string, number int, ok bool) {
	stem = strings.TrimRight(id, "0123456789")
	if _, err := fmt.Sscanf(id[len(stem):], "%d", &number); err != nil || fmt.Sprintf("%s%d", stem, number) != id {
		return id, 0, false
	}
	return stem, number, true
}
