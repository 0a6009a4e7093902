package admin

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
)

func (c *clients) rotateSecret(r *http.Request) (reply, error) {
	var in adminapi.RotateSecret
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	overlap := adminapi.DefaultOverlap
	if in.Overlap != "" {
		var err error
		if overlap, err = adminapi.ParseDuration(in.Overlap); err != nil {
			return reply{}, bad(err.Error())
		}
	}
	g, err := c.Clients(r.Context())
	if err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		e, err := g.PreviewRotation(r.Context(), in.ID, overlap)
		return c.rotated(r, in.ID, e, "", err)
	}
	e, secret, err := g.RotateSecret(r.Context(), in.ID, overlap)
	if err == nil {
		c.Log.Info("client secret rotated", "client", in.ID, "overlap", overlap, "by", c.By)
	}
	return c.rotated(r, in.ID, e, secret, err)
}

func (c *clients) cancelSecret(r *http.Request) (reply, error) {
	var in adminapi.OAuthClientID
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	g, err := c.Clients(r.Context())
	if err != nil {
		return reply{}, err
	}
	e, err := g.CancelRotation(r.Context(), in.ID, dryRun(r))
	if err == nil && !dryRun(r) {
		c.Log.Info("rotation of a client secret cancelled", "client", in.ID, "by", c.By)
	}
	return c.rotated(r, in.ID, e, "", err)
}

// rotated answers with a client whose secret was changed.
func (c *clients) rotated(r *http.Request, id string, e *client.Entry, secret string, err error) (reply, error) {
	switch {
	case errors.Is(err, client.ErrRotating):
		return reply{}, conflict(fmt.Sprintf("The secret of client %.80s was rotated, and the former one works still. Wait until it does not, take the rotation back with --cancel, or end both at once with --overlap 0s.", id))
	case errors.Is(err, client.ErrNotRotated):
		return reply{}, conflict(fmt.Sprintf("Client %.80s has no rotation that could be cancelled.", id))
	case err != nil:
		return reply{}, noClient(id, err)
	}
	w := c.wire(r.Context(), e, &tenantNames{Tenants: c.Tenants})
	w.Secret, w.DryRun = secret, dryRun(r)
	return reply{body: w}, nil
}
