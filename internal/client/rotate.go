package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// maxOverlap is for how long a former secret may be honoured at most.
const maxOverlap = 90 * 24 * time.Hour

// former is a secret that has a successor.
type former struct {
	Hash  string    `json:"h"` // in hexadecimal digits
	Until time.Time `json:"u"` // from then on it is refused
}

// RotateSecret gives a client that an administrator made a new secret, which
// whoever asked gets, and nobody else ever. The former one is honoured for an
// overlap, zero: not any more. ErrRotating: one is in its overlap already; without an
// overlap both are replaced. ErrWrong: the client has no secret.
func (g *Registry) RotateSecret(ctx context.Context, id string, overlap time.Duration) (e *Entry, secret string, err error) {
	row, m, err := g.rotatable(ctx, id, overlap)
	if err != nil {
		return nil, "", err
	}
	secret = newSecret()
	e, err = g.replace(ctx, row, m.rotated(hashOf(secret), g.now(), overlap))
	if err != nil {
		return nil, "", err
	}
	return e, secret, nil
}

// PreviewRotation says what RotateSecret would do.
func (g *Registry) PreviewRotation(ctx context.Context, id string, overlap time.Duration) (*Entry, error) {
	row, m, err := g.rotatable(ctx, id, overlap)
	if err != nil {
		return nil, err
	}
	return g.entry(row, m.rotated(m.Secrets[0], g.now(), overlap))
}

// CancelRotation has the former secret stay, and the new one refused. ErrNotRotated:
// there is none that is honoured still. With preview nothing is changed.
func (g *Registry) CancelRotation(ctx context.Context, id string, preview bool) (*Entry, error) {
	row, m, err := g.withSecret(ctx, id)
	if err != nil {
		return nil, err
	}
	old := m.honoured(g.now())
	if old == nil {
		return nil, ErrNotRotated
	}
	next := *m
	next.Secrets, next.Former = []string{old.Hash}, nil
	if preview {
		return g.entry(row, &next)
	}
	return g.replace(ctx, row, &next)
}

func (g *Registry) rotatable(ctx context.Context, id string, overlap time.Duration) (*Row, *metadata, error) {
	if overlap < 0 || overlap > maxOverlap {
		return nil, nil, wrong("a former secret may be honoured for at most %d days", maxOverlap/(24*time.Hour))
	}
	row, m, err := g.withSecret(ctx, id)
	if err == nil && overlap > 0 && m.honoured(g.now()) != nil {
		err = ErrRotating
	}
	return row, m, err
}

// withSecret returns a client of an administrator's that is recognized by a secret.
func (g *Registry) withSecret(ctx context.Context, id string) (*Row, *metadata, error) {
	row, err := g.Store.Client(ctx, id)
	switch {
	case err != nil:
		return nil, nil, err
	case !row.Deleted.IsZero():
		return nil, nil, ErrUnknown
	case row.Kind != Static:
		return nil, nil, wrong("client %.80s was not made by an administrator: it registers anew when it needs another secret", id)
	}
	m, err := parseMetadata(row.Metadata)
	if err != nil {
		return nil, nil, err
	}
	if len(m.Secrets) == 0 || !slices.ContainsFunc(m.Methods, shared) {
		return nil, nil, wrong("client %.80s has no secret: it proves who it is by %s", id, strings.Join(m.Methods, ", "))
	}
	return row, m, nil
}

// rotated is metadata with another secret.
func (m *metadata) rotated(hash string, now time.Time, overlap time.Duration) *metadata {
	next := *m
	next.Secrets, next.Former = []string{hash}, nil
	if overlap > 0 {
		next.Former = &former{Hash: m.Secrets[0], Until: now.Add(overlap).UTC().Truncate(time.Second)}
	}
	return &next
}

// honoured is a former secret that is not over; nil: there is none.
func (m *metadata) honoured(now time.Time) *former {
	if m.Former == nil || !now.Before(m.Former.Until) {
		return nil
	}
	return m.Former
}

// replace keeps other credentials of a client, unless somebody was faster.
func (g *Registry) replace(ctx context.Context, row *Row, next *metadata) (*Entry, error) {
	raw, err := next.encode()
	if err != nil {
		return nil, err
	}
	if err := g.Store.Replace(ctx, row.ID, row.Metadata, raw, g.now()); err != nil {
		return nil, err
	}
	return g.entry(row, next)
}

func (g *Registry) entry(row *Row, m *metadata) (*Entry, error) {
	raw, err := m.encode()
	if err != nil {
		return nil, err
	}
	shown := *row
	shown.Metadata = raw
	return entryOf(g.rough(&shown), &shown, nil), nil
}

func newSecret() string { return rand.Text() + rand.Text() }

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
