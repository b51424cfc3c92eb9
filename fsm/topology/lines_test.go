package topology

import (
	"testing"

	v1 "roster/proto/roster/v1"
)

const numbered = `name: lines
pools:
  - name: mail
    services: [imap, smtp]
    count: 2
    where:
      zone: [a1, b1]
      rack.no/1: r2
  - {name: rest, services: [webdav], all: true}
services:
  - name: smtp
    floor: 2
  - name: imap
    floors:
      - {min: 1, per: zone}
      - min: 2
        where: {zone: a1}
policy:
  rollout: {canary: 1}
`

func TestALineIsFoundByNames(t *testing.T) {
	lines := Lines("lines.yaml", []byte(numbered))
	for path, want := range map[string]uint32{
		"name":                              1,
		"pools":                             2,
		"pools.mail":                        3,
		"pools.mail.services":               4,
		"pools.mail.count":                  5,
		"pools.mail.where.zone":             7,
		"pools.mail.where.rack.no/1":        8,
		"pools.rest.all":                    9,
		"services.smtp-inbound.floor":       12,
		"services.smtp-outbound.floor":      12,
		"services.imap.floors.1.min":        16,
		"services.imap.floors.1.where.zone": 17,
		"policy.rollout.canary":             19,
		// What is not written is where it would be, or nowhere.
		"pools.mail.min":    3,
		"policy.max_moving": 18,
		"survives.nodes":    0,
	} {
		if have := lines.Line(path); have != want {
			t.Errorf("%s is in line %d, not %d", path, want, have)
		}
	}
}

func TestEveryRuleOfAConflictGetsItsLine(t *testing.T) {
	conflicts := []*v1.Conflict{{Rules: []*v1.Rule{{Path: "pools.mail.count"}, {Path: "nodes.node-1"}}}}
	Lines("lines.yaml", []byte(numbered)).Mark(conflicts)
	if rules := conflicts[0].GetRules(); rules[0].GetLine() != 5 || rules[1].GetLine() != 0 {
		t.Errorf("the lines are %d and %d, not 5 and 0", rules[0].GetLine(), rules[1].GetLine())
	}
	if n := len(Lines("bad.yaml", []byte("name: bad\n"))); n != 0 {
		t.Errorf("a file that is refused has %d lines", n)
	}
}
