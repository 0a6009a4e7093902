package server

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// leaving are gateways that are on their way out: no request comes to them any
// more, but streams may have their grace.
type leaving struct {
	work sync.WaitGroup

	mu   sync.Mutex
	list []*leaver
}

type leaver struct {
	*served
	over chan struct{} // closed when nothing is left of it
}

// each does something to all that are not gone yet.
func (l *leaving) each(do func(*served)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(one *leaver) bool {
		select {
		case <-one.over:
			return true
		default:
			return false
		}
	})
	for _, one := range l.list {
		do(one.served)
	}
}

// add has a gateway leave: with a cause at once, else within the grace.
func (l *leaving) add(old *served, cause *gatehouse.Error, grace time.Duration) {
	one := &leaver{served: old, over: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, one)
	l.work.Go(func() {
		defer close(one.over)
		ctx, stop := context.WithTimeout(context.Background(), grace)
		defer stop()
		old.gateway.Retire(ctx, cause)
	})
}

// succeed has the old gateways leave, unless the next configuration still uses
// their way to the server. Streams to a server that is still served, but reached
// in another way, get the grace that they have at a stop. Its rules hold for
// them, and for those that have been leaving since an earlier reload.
func (r *Running) succeed(before, next *current) {
	r.leaving.each(func(old *served) {
		if v := next.way(old.config.Name, old.tenant); v != nil {
			v.gateway.Govern(old.gateway)
		} else {
			old.gateway.Shut(outOfService())
		}
	})
	for _, old := range before.ways {
		v := next.way(old.config.Name, old.tenant)
		switch {
		case v == nil:
			r.leaving.add(old, outOfService(), 0)
		case !v.gateway.Shares(old.gateway):
			v.gateway.Govern(old.gateway)
			r.leaving.add(old, nil, next.config.Server.ShutdownGrace)
		}
	}
}

func outOfService() *gatehouse.Error {
	return &gatehouse.Error{Code: "GH-1605", Status: http.StatusServiceUnavailable, Description: "This server was taken out of service."}
}
