package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

const (
	maxCapacity     = 10_000
	defaultCapacity = 100
)

// nodeKeys are the keys of one node in a list of nodes.
var nodeKeys = []string{"id", "region", "zone", "labels", "capacity", "services", "restart_groups"}

// ParseNodes reads a list of nodes, as in examples/nodes.yaml, as strictly as
// Parse reads a topology. `id` may be a range and then stands for many nodes. A
// node that lists no services can run every known one. Claims hold what the
// file says; region, zone, labels and capacity are also set as in force. The
// state is left open.
func ParseNodes(fileName string, src []byte) ([]*v1.Node, error) {
	s, tree, fault := parseTree(fileName, src)
	if fault != nil {
		switch fault.Rule {
		case ruleEmpty:
			fault.Mend = "write at least one node, as `- {id: node-1, region: a}`, or see docs/topology.md for an example"
		case ruleOneDocument:
			fault.Mend = "keep one list of nodes in one file: take away the lines from here on"
		}
		return nil, fault
	}
	r := &nodeReader{reader: reader{source: s}, seen: make(map[string]bool)}
	r.list(tree, "a list of nodes: each begins with `- `", &place{}, func(_ int, entry ast.Node, at *place) {
		r.node(entry, at)
	})
	if len(r.nodes) == 0 && len(r.faults) == 0 {
		r.refuse(ruleNodeNamed, nodePosition(tree), "the list has no node", "write at least one, as `- {id: node-1}`")
	}
	if err := join(r.faults); err != nil {
		return nil, err
	}
	return r.nodes, nil
}

type nodeReader struct {
	reader
	nodes []*v1.Node
	seen  map[string]bool
}

// group is a restart group as the file names it.
type group struct {
	name     string
	services []string
	at       []position
}

func (r *nodeReader) node(entry ast.Node, at *place) {
	var (
		ids      []string
		named    bool
		claims   = &v1.NodeClaims{Capacity: defaultCapacity}
		services []string
		groups   []group
	)
	r.mapping(entry, "a mapping of keys to values, as {id: node-1, region: a}", at, func(key written, value ast.Node, below *place) {
		switch key.text {
		case "id":
			named = true
			ids = r.ids(value)
		case "region":
			claims.Region = r.value(value)
		case "zone":
			claims.Zone = r.value(value)
		case "labels":
			claims.Labels = r.nodeLabels(value, below)
		case "capacity":
			if n, ok := r.number(value, 0, 1<<32-1); ok {
				if n < 1 || n > maxCapacity {
					r.refuse(ruleCapacity, nodePosition(value), fmt.Sprintf("a capacity of %d is out of range", n), fmt.Sprintf("write one from 1 to %d; most nodes have %d", maxCapacity, defaultCapacity))
				}
				claims.Capacity = uint32(n)
			}
		case "services":
			services, _ = r.services(value, below)
		case "restart_groups":
			groups = r.groups(value, below)
		default:
			r.unknownNodeKey(key.text, key.at)
		}
	})
	if !named {
		r.refuse(ruleNodeNamed, at.value, "the node has no id", "write `id: ` and an id, as node-1")
		return
	}
	if services == nil {
		services = KnownServices()
	}
	for _, name := range services {
		claims.Services = append(claims.Services, &v1.ServiceClaim{Name: name, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE})
	}
	r.join(claims, groups)
	for _, id := range ids {
		if r.seen[id] {
			r.refuse(ruleNodeOnce, at.value, fmt.Sprintf("the node %s stands twice in the list", id), "keep one of them")
			return
		}
		r.seen[id] = true
		c := proto.CloneOf(claims)
		r.nodes = append(r.nodes, &v1.Node{Id: id, Claims: c, Region: c.GetRegion(), Zone: c.GetZone(), Labels: proto.CloneOf(c).GetLabels(), Capacity: c.GetCapacity()})
	}
}

// join puts services into their restart groups.
func (r *nodeReader) join(claims *v1.NodeClaims, groups []group) {
	for _, g := range groups {
		for i, name := range g.services {
			at := slices.IndexFunc(claims.Services, func(c *v1.ServiceClaim) bool { return c.GetName() == name })
			switch {
			case at < 0:
				r.refuse(ruleGroup, g.at[i], fmt.Sprintf("the restart group %s names %s, which the node does not run", g.name, name), "name it under services, or take it out of the group")
			case claims.Services[at].GetRestartGroup() != "":
				r.refuse(ruleGroup, g.at[i], fmt.Sprintf("%s is in the restart groups %s and %s", name, claims.Services[at].GetRestartGroup(), g.name), "keep it in one of them")
			default:
				claims.Services[at].ChangeMode = v1.ChangeMode_CHANGE_MODE_RESTART
				claims.Services[at].RestartGroup = g.name
			}
		}
	}
}

func (r *nodeReader) ids(n ast.Node) []string {
	pattern, ok := r.text(n)
	if !ok {
		return nil
	}
	ids, message, mend := expandIDs(pattern)
	if message != "" {
		rule := ruleNodeID
		if isRange(pattern) {
			rule = ruleRange
		}
		r.refuse(rule, nodePosition(n), message, mend)
		return nil
	}
	if len(r.nodes)+len(ids) > maxAllExpanded {
		r.refuse(ruleTooMany, nodePosition(n), fmt.Sprintf("the list has more than %d nodes", maxAllExpanded), "take some away")
		return nil
	}
	return ids
}

// value reads the value of a label.
func (r *nodeReader) value(n ast.Node) string {
	text, ok := r.text(n)
	if !ok {
		return ""
	}
	if message, mend := labelValueFault(text); message != "" {
		r.refuse(ruleLabelValue, nodePosition(n), message, mend)
	}
	return text
}

func (r *nodeReader) nodeLabels(n ast.Node, at *place) map[string]string {
	labels := make(map[string]string)
	r.mapping(n, "a mapping of labels to values", at, func(key written, value ast.Node, _ *place) {
		if !r.asText(key) {
			return
		}
		switch message, mend := labelKeyFault(key.text); {
		case message != "":
			r.refuse(ruleLabelKey, key.at, message, mend)
		case key.text == "region" || key.text == "zone" || key.text == "id":
			r.refuse(ruleLabelKey, key.at, fmt.Sprintf("%s is a key of the node, not one of its labels", key.text), "write it beside labels")
		}
		labels[key.text] = r.value(value)
	})
	return labels
}

// services reads a list of services, each once; `smtp` stands for two.
func (r *nodeReader) services(n ast.Node, at *place) (services []string, places []position) {
	services = []string{}
	r.list(n, "a list, as [a, b]", at, func(_ int, entry ast.Node, below *place) {
		text, ok := r.text(entry)
		if !ok {
			return
		}
		if message, mend := nameFault(text); message != "" {
			r.refuse(ruleName, below.value, message, mend)
			return
		}
		wide, _ := expandNames([]string{text}, nil)
		for _, name := range wide {
			if slices.Contains(services, name) {
				r.refuse(ruleNodeServices, below.value, fmt.Sprintf("%s stands twice in the list%s", name, smtpHint(name)), "keep one of them")
				continue
			}
			services, places = append(services, name), append(places, below.value)
		}
	})
	return services, places
}

func (r *nodeReader) groups(n ast.Node, at *place) []group {
	var groups []group
	r.mapping(n, "a mapping of groups to lists of services", at, func(key written, value ast.Node, below *place) {
		if message, mend := nameFault(key.text); message != "" {
			r.refuse(ruleName, key.at, message, mend)
			return
		}
		g := group{name: key.text}
		g.services, g.at = r.services(value, below)
		groups = append(groups, g)
	})
	return groups
}

func (r *nodeReader) unknownNodeKey(key string, at position) {
	for _, name := range nodeKeys {
		if bare(name) == bare(key) {
			r.refuse(ruleKeyStyle, at, fmt.Sprintf("keys are written in lower case with `_` between words: %s", show(key)), fmt.Sprintf("write %s", name))
			return
		}
	}
	mend := "the keys are " + strings.Join(nodeKeys, ", ")
	if near, ok := nearest(key, nodeKeys); ok {
		mend = fmt.Sprintf("did you mean %s?", near)
	}
	r.refuse(ruleUnknownKey, at, fmt.Sprintf("a node has no key %s", show(key)), mend)
}
