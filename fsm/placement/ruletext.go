package placement

import (
	"fmt"
	"strings"

	v1 "roster/proto/roster/v1"
)

func (r *ruling) floorText() string {
	s := r.services[r.service]
	return fmt.Sprintf("%s has a floor of %d", s.GetName(), s.GetFloor())
}

func (r *ruling) excludeText(k int) string {
	return fmt.Sprintf("members of %s are not %s", r.pool(k).GetName(), enumerate(r.pool(k).GetExclude(), fewFacts))
}

// sizeText is empty for a pool that may stay empty.
func (r *ruling) sizeText(k int) (path, text string) {
	pool := r.pool(k)
	if pool.least() == 0 && kind(pool.Pool) != 0 {
		return "", ""
	}
	if kind(pool.Pool) == 0 {
		return "pools." + pool.GetName() + ".count", fmt.Sprintf("pool %s has %s", pool.GetName(), amount(int(pool.GetCount()), "node"))
	}
	return "pools." + pool.GetName() + ".min", fmt.Sprintf("pool %s has at least %s", pool.GetName(), amount(pool.least(), "node"))
}

func labelText(key string, values *v1.LabelValues) string {
	return key + " " + strings.Join(values.GetValues(), " or ")
}

// unableText is empty where every node can run a service.
func (r *ruling) unableText(s int) string {
	var able, unable []string
	for i := range r.nodes {
		if r.nodes[i].can[s] {
			able = append(able, r.nodes[i].GetId())
		} else {
			unable = append(unable, r.nodes[i].GetId())
		}
	}
	name := r.services[s].GetName()
	byID := func(ids []string) string { return enumerate(sorted(ids), fewFacts) }
	switch {
	case len(unable) == 0:
		return ""
	case len(able) == 0:
		return "no registered node can run " + name
	case len(able) < len(unable):
		return fmt.Sprintf("only %s can run %s", byID(able), name)
	}
	return fmt.Sprintf("%s cannot run %s", byID(unable), name)
}

func (r *ruling) registeredText() string {
	switch n := len(r.nodes); n {
	case 0:
		return "no node is registered"
	default:
		return "only " + areIs(n, "node") + " registered"
	}
}

// stateText says what keeps a node from a pool though its rules let it in.
func (r *ruling) stateText(i, k int) string {
	n := &r.nodes[i]
	var words []string
	if n.drained {
		words = append(words, "drained")
	}
	if observing(n.Node) {
		words = append(words, "only observing")
	}
	switch {
	case n.down:
		words = append(words, "down")
	case n.GetState() != v1.NodeState_NODE_STATE_UP:
		words = append(words, "not up")
	}
	if n.GetSettings().GetCordoned() && !n.drained {
		words = append(words, "cordoned")
	}
	switch b := r.standing(n, k); {
	case len(words) > 0:
	case b == deaf:
		words = append(words, "not following")
	case b == frozen:
		words = append(words, "frozen")
	default:
		return failedLately
	}
	return strings.Join(words, " and ")
}

// failedLately is the state of a node on which a service failed.
const failedLately = "had a service fail lately"

// areSo says of nodes what state they are in.
func (r *ruling) areSo(nodes []int, text string) string {
	ids := make([]string, len(nodes))
	for at, i := range nodes {
		ids[at] = r.nodes[i].GetId()
	}
	who := enumerate(ids, fewFacts)
	switch {
	case text == failedLately:
		return who + " " + text
	case len(ids) == 1:
		return who + " is " + text
	}
	return who + " are " + text
}
