package gatehouse

import (
	"context"
	"errors"
)

// ErrNotMine says that a credential is not of a [Verifier]'s kind, so that the
// next one may try. Every other error is final.
var ErrNotMine = errors.New("credential of another kind")

// Verifier judges one kind of credential.
//
// Verify returns the identity a credential stands for, [ErrNotMine] when it is
// of another kind, an [*Error] when it is refused, and any other error when
// judging it was impossible. It returns no identity beside an error.
type Verifier interface {
	Verify(ctx context.Context, c *Credential) (*Identity, error)
}
