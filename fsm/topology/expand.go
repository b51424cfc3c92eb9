package topology

import (
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// bothSMTP is the word that stands for the two SMTP services in a file.
const bothSMTP = "smtp"

var smtpServices = []string{"smtp-inbound", "smtp-outbound"}

// expandServices puts the two SMTP services where a freshly read topology says
// `smtp`; both then stand, for messages, where the word does.
func expandServices(t *v1.Topology, at *place) {
	for i, pool := range t.GetPools() {
		list := at.find(path{"pools"}.item(i).to("services"))
		pool.Services, list.items = expandNames(pool.Services, list.items)
	}
	entries := at.find(path{"services"})
	var services []*v1.Service
	var items []*place
	for i, s := range t.GetServices() {
		if s.GetName() != bothSMTP {
			services, items = append(services, s), append(items, entries.items[i])
			continue
		}
		for _, name := range smtpServices {
			twin := proto.CloneOf(s)
			twin.Name = name
			services, items = append(services, twin), append(items, entries.items[i])
		}
	}
	if len(services) > 0 {
		t.Services, entries.items = services, items
	}
}

// expandNames expands a list of names beside the places of its entries; places
// may be nil.
func expandNames(names []string, at []*place) ([]string, []*place) {
	var wide []string
	var places []*place
	for i, name := range names {
		as := []string{name}
		if name == bothSMTP {
			as = smtpServices
		}
		for _, n := range as {
			wide = append(wide, n)
			if at != nil {
				places = append(places, at[i])
			}
		}
	}
	return wide, places
}
