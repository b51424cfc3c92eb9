package placement

// findQuotas says how many members each pool needs in the parts of the nodes
// that the topology has a floor over.
func (p *problem) findQuotas(pools []int, got []int) {
	for _, k := range pools {
		p.pools[k].quotas = nil
	}
}
