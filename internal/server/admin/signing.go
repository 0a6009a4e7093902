package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
)

// SigningKeys are the keys that we sign with: signing.Keys.
type SigningKeys interface {
	// List returns them, in the order in which they sign, those that are gone first.
	List(ctx context.Context) ([]signing.Key, error)
	// Rotate publishes the next key, or has it sign at once, and returns it.
	Rotate(ctx context.Context, r signing.Rotation) (*signing.Key, error)
	// Retire takes a key away, and returns it and the one that signs in its
	// place if it signed. It returns signing.ErrNotFound or signing.ErrRetired.
	Retire(ctx context.Context, id string, dry bool) (gone, successor *signing.Key, err error)
	// Abandon takes all away, when what they are sealed under is lost, and
	// returns them; else it is an *adminapi.Error.
	Abandon(ctx context.Context, dry bool) ([]signing.Key, error)
}

// signingKeys are the endpoints about the keys that we sign with.
type signingKeys struct{ *Admin }

func wireSigning(k *signing.Key, dry bool) adminapi.SigningKey {
	return adminapi.SigningKey{
		ID: k.ID, Alg: k.Alg, State: string(k.State), Created: k.Created, Signs: k.Signs, Stops: pointer(k.Stops), Gone: pointer(k.Gone), DryRun: dry,
	}
}

func (s *signingKeys) list(r *http.Request) (reply, error) {
	all, err := s.Signing.List(r.Context())
	if err != nil {
		return reply{}, err
	}
	out := make([]adminapi.SigningKey, len(all))
	for i := range all {
		out[i] = wireSigning(&all[i], false)
	}
	return reply{body: out}, nil
}

func (s *signingKeys) rotate(r *http.Request) (reply, error) {
	var in adminapi.RotateSigning
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	k, err := s.Signing.Rotate(r.Context(), signing.Rotation{Now: in.Now, DryRun: dryRun(r)})
	if errors.Is(err, signing.ErrRotating) {
		return reply{}, conflict(fmt.Sprintf("A rotation is under way: %v. To have it sign at once: gatehouse signing-key rotate --now", err))
	}
	if err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		return reply{body: wireSigning(k, true)}, nil
	}
	s.Log.Info("signing key rotated", "kid", k.ID, "signs", k.Signs, "by", s.By)
	return reply{status: http.StatusCreated, body: wireSigning(k, false)}, nil
}

// abandon answers with the keys that are gone.
func (s *signingKeys) abandon(r *http.Request) (reply, error) {
	gone, err := s.Signing.Abandon(r.Context(), dryRun(r))
	if err != nil {
		return reply{}, err
	}
	out := make([]adminapi.SigningKey, len(gone))
	for i := range gone {
		out[i] = wireSigning(&gone[i], dryRun(r))
	}
	if !dryRun(r) {
		s.Log.Info("signing keys abandoned", "keys", len(gone), "by", s.By)
	}
	return reply{body: out}, nil
}

func (s *signingKeys) retire(r *http.Request) (reply, error) {
	id, dry := r.PathValue("id"), dryRun(r)
	gone, successor, err := s.Signing.Retire(r.Context(), id, dry)
	switch {
	case errors.Is(err, signing.ErrNotFound):
		return reply{}, &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: fmt.Sprintf("No signing key has the id %.40q. List them with: gatehouse signing-key list", id)}
	case errors.Is(err, signing.ErrRetired):
		return reply{}, conflict(fmt.Sprintf("Signing key %s is retired already.", id))
	case err != nil:
		return reply{}, err
	}
	out := adminapi.RetiredSigning{Retired: wireSigning(gone, dry), DryRun: dry}
	if successor != nil {
		w := wireSigning(successor, dry)
		out.Signs = &w
	}
	if !dry {
		s.Log.Info("signing key retired", "kid", id, "by", s.By)
	}
	return reply{body: out}, nil
}
