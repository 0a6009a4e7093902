package edge

import (
	"net/netip"
	"sync"
)

// places bound how many connections there are at once, in all and from one
// address. IPv6 is counted by /64.
type places struct {
	total   int // at most
	perSite int // at most, from one address

	mu    sync.Mutex
	held  int
	sites map[netip.Prefix]int
}

// take takes a place among all.
func (p *places) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= p.total {
		return false
	}
	p.held++
	return true
}

func (p *places) give() {
	p.mu.Lock()
	p.held--
	p.mu.Unlock()
}

// takeAt takes a place among those of one address.
func (p *places) takeAt(a netip.Addr) bool {
	site := network(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sites == nil {
		p.sites = make(map[netip.Prefix]int)
	}
	if p.sites[site] >= p.perSite {
		return false
	}
	p.sites[site]++
	return true
}

func (p *places) giveAt(a netip.Addr) {
	site := network(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sites[site]--; p.sites[site] == 0 {
		delete(p.sites, site)
	}
}

func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}
