package gateway

import "time"

// Hurry makes the waits of HTTP+SSE short enough for a test. It is called
// before the gateway serves.
func (g *Gateway) Hurry(wait time.Duration) {
	g.line.events.patience = wait
	if s, ok := g.line.backend.(*linked); ok && s.events != nil {
		s.events.endpointWait, s.events.postWait = wait, wait
	}
}
