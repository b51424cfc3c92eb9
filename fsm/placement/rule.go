package placement

import (
	"maps"
	"slices"

	v1 "roster/proto/roster/v1"
)

// fewFacts is up to how many nodes whose state keeps them from a pool are named
// one by one; more that are in the same state are one fact.
const fewFacts = 8

// plenty stands for as many nodes as there may be.
const plenty = 1 << 30

// ruling is the rules that some pools are under, and the nodes in classes that
// none of these rules tells apart. A rule's number is its place in the order in
// which rules are tried to be done without: what says most comes last.
//
// Nodes that nobody registered stand in it, too: they are what a pool asks for,
// but for the rule that they are not registered.
type ruling struct {
	*problem
	pools   []int        // that it is about
	service int          // whose floor it is about; -1: of none
	apart   map[int]bool // pools that another conflict is about: they may stay empty
	rules   []*v1.Rule
	classes []supply

	state      []int // the rule that a node's state is, by node; noRule: it is well
	floor      int
	data       map[int]int // by service
	unable     map[int]int
	requires   map[int]map[string]int // by service and key
	exclude    map[int]int            // by pool
	where      map[int]map[string]int
	listed     map[int]int
	size       map[int]int
	registered int
}

const noRule = -1

// rulesOf lists the rules that some pools are under, and the floor of a service
// if there is one. Those that are apart may stay empty.
func (p *problem) rulesOf(pools []int, service int, apart map[int]bool) *ruling {
	r := &ruling{
		problem: p, pools: pools, service: service, floor: noRule, apart: apart,
		data: map[int]int{}, unable: map[int]int{}, requires: map[int]map[string]int{},
		exclude: map[int]int{}, where: map[int]map[string]int{}, listed: map[int]int{}, size: map[int]int{},
	}
	r.states()
	if service >= 0 {
		r.floor = r.add("services."+p.services[service].GetName()+".floor", r.floorText())
	}
	var services []int
	for _, k := range pools {
		services = append(services, p.pools[k].services...)
	}
	slices.Sort(services)
	services = slices.Compact(services)
	for _, s := range services {
		path := "services." + p.services[s].GetName()
		if len(p.keepers[s]) > 0 {
			r.data[s] = r.add(path+".data", p.whereData([]int{s}))
		}
	}
	for _, k := range pools {
		if len(p.pools[k].exclude) > 0 {
			r.exclude[k] = r.add("pools."+p.pools[k].GetName()+".exclude", r.excludeText(k))
		}
	}
	for _, s := range services {
		if text := r.unableText(s); text != "" {
			r.unable[s] = r.add("nodes", text)
		}
		r.requires[s] = map[string]int{}
		labels := p.services[s].GetRequires()
		for _, key := range slices.Sorted(maps.Keys(labels)) {
			r.requires[s][key] = r.add("services."+p.services[s].GetName()+".requires."+key, p.services[s].GetName()+" requires "+labelText(key, labels[key]))
		}
	}
	for _, k := range pools {
		pool := &p.pools[k]
		r.where[k] = map[string]int{}
		for _, key := range slices.Sorted(maps.Keys(pool.GetWhere())) {
			r.where[k][key] = r.add("pools."+pool.GetName()+".where."+key, "members of "+pool.GetName()+" have "+labelText(key, pool.GetWhere()[key]))
		}
		if pool.only != nil {
			r.listed[k] = r.add("pools."+pool.GetName()+".nodes", "members of "+pool.GetName()+" are among "+enumerate(pool.GetNodes(), fewFacts))
		}
	}
	for _, k := range slices.Backward(pools) {
		if path, text := r.sizeText(k); path != "" {
			r.size[k] = r.add(path, text)
		}
	}
	r.registered = r.add("nodes", r.registeredText())
	r.classify()
	return r
}

func (r *ruling) add(path, text string) int {
	r.rules = append(r.rules, &v1.Rule{Path: path, Text: text})
	return len(r.rules) - 1
}

// states makes a rule of the state of every node that is kept from some pool by
// it, or of all that are in the same state.
func (r *ruling) states() {
	r.state = make([]int, len(r.nodes))
	words := make([]string, len(r.nodes))
	alike := map[string][]int{}
	near := map[int]bool{} // nodes that nothing but their state keeps from some pool
	for i := range r.nodes {
		r.state[i] = noRule
		for _, k := range r.pools {
			b := r.standing(&r.nodes[i], k)
			if b == free {
				continue
			}
			if words[i] == "" {
				words[i] = r.stateText(i, k)
				alike[words[i]] = append(alike[words[i]], i)
			}
			near[i] = near[i] || r.nodes[i].barrier[k] == b
		}
	}
	for _, text := range slices.Sorted(maps.Keys(alike)) {
		nodes := alike[text]
		slices.SortFunc(nodes, func(a, b int) int { return Compare(r.nodes[a].GetId(), r.nodes[b].GetId()) })
		var rest []int
		for _, i := range nodes {
			if len(near) <= fewFacts && near[i] {
				r.state[i] = r.add("nodes."+r.nodes[i].GetId(), r.areSo([]int{i}, text))
				continue
			}
			rest = append(rest, i)
		}
		if len(rest) == 0 {
			continue
		}
		rule := r.add("nodes", r.areSo(rest, text))
		for _, i := range rest {
			r.state[i] = rule
		}
	}
}

// classify puts the nodes into classes.
func (r *ruling) classify() {
	classes := map[string]int{}
	put := func(nodes int, against func(k int, set ruleSet)) {
		sets := make([]ruleSet, len(r.pools))
		key := make([]byte, 0, 8*len(r.pools))
		for at, k := range r.pools {
			sets[at] = newRuleSet(len(r.rules))
			against(k, sets[at])
			for _, word := range sets[at] {
				for shift := 0; shift < 64; shift += 8 {
					key = append(key, byte(word>>shift))
				}
			}
		}
		class, known := classes[string(key)]
		if !known {
			class = len(r.classes)
			classes[string(key)] = class
			r.classes = append(r.classes, supply{against: sets})
		}
		r.classes[class].nodes += nodes
	}
	there := map[string]bool{}
	for i := range r.nodes {
		there[r.nodes[i].GetId()] = true
		put(1, func(k int, set ruleSet) { r.againstNode(i, k, set) })
	}
	put(plenty, func(k int, set ruleSet) { r.againstNobody("", k, set) })
	named := map[string]bool{}
	for _, k := range r.pools {
		for id := range r.pool(k).only {
			named[id] = !there[id]
		}
		for _, id := range r.pool(k).GetWhere()["id"].GetValues() {
			named[id] = !there[id]
		}
	}
	for _, id := range slices.Sorted(maps.Keys(named)) {
		if named[id] {
			put(1, func(k int, set ruleSet) { r.againstNobody(id, k, set) })
		}
	}
}

func (r *ruling) pool(k int) *poolFacts { return &r.problem.pools[k] }

// againstNode puts the rules that keep a node out of a pool.
func (r *ruling) againstNode(i, k int, set ruleSet) {
	n, pool := &r.nodes[i], r.pool(k)
	if pool.only != nil && !pool.only[n.GetId()] {
		set.put(r.listed[k])
	}
	if pool.exclude[n.GetId()] {
		set.put(r.exclude[k])
	}
	for key, rule := range r.where[k] {
		if !has(n.Node, key, pool.GetWhere()[key]) {
			set.put(rule)
		}
	}
	for _, s := range pool.services {
		if !n.can[s] {
			set.put(r.unable[s])
		}
		for key, rule := range r.requires[s] {
			if !has(n.Node, key, r.services[s].GetRequires()[key]) {
				set.put(rule)
			}
		}
		if !r.hasData(n.Node, s) {
			set.put(r.data[s])
		}
	}
	if r.state[i] != noRule && r.standing(n, k) != free {
		set.put(r.state[i])
	}
}

// againstNobody puts the rules that keep a node out of a pool that nobody
// registered: of that id, or of one that nobody names.
func (r *ruling) againstNobody(id string, k int, set ruleSet) {
	pool := r.pool(k)
	set.put(r.registered)
	if pool.only != nil && !pool.only[id] {
		set.put(r.listed[k])
	}
	if pool.exclude[id] {
		set.put(r.exclude[k])
	}
	if rule, there := r.where[k]["id"]; there && !slices.Contains(pool.GetWhere()["id"].GetValues(), id) {
		set.put(rule)
	}
	for _, s := range pool.services {
		if rule, bound := r.data[s]; bound {
			set.put(rule)
		}
		if rule, there := r.requires[s]["id"]; there && !slices.Contains(r.services[s].GetRequires()["id"].GetValues(), id) {
			set.put(rule)
		}
	}
}

// has: a node has one of some values of a label.
func has(n *v1.Node, key string, values *v1.LabelValues) bool {
	value, there := label(n, key)
	return there && slices.Contains(values.GetValues(), value)
}

// possible decides whether the pools can be filled under the rules that stand;
// if not, which pools, by their place in the ruling, are in each other's way.
func (r *ruling) possible(standing ruleSet) (rivals []int) {
	wishes := make([]wish, len(r.pools))
	var of []int
	for at, k := range r.pools {
		pool := r.pool(k)
		wishes[at] = wish{most: plenty, shared: pool.GetShared()}
		if rule, asks := r.size[k]; asks && standing.has(rule) {
			if !r.apart[k] {
				wishes[at].least = pool.least()
			}
			if kind(pool.Pool) == 0 {
				wishes[at].most = int(pool.GetCount())
			}
		}
		if r.service >= 0 && slices.Contains(pool.services, r.service) {
			of = append(of, at)
		}
	}
	floor := 0
	if r.floor != noRule && standing.has(r.floor) {
		floor = int(r.services[r.service].GetFloor())
	}
	return newHall(r.classes, len(r.pools), standing).fill(wishes, of, floor)
}

// least is how many members a pool has to have.
func (p *poolFacts) least() int {
	switch {
	case p.GetMin() == 0:
		return 0
	case kind(p.Pool) == 0:
		return int(p.GetCount())
	}
	return int(p.GetMin())
}
