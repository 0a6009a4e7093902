package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// credential gets what a request is sent with. An authorization server that does not
// answer is waited for like any other: after the machine has slept, the token has
// ended and the network is not there yet.
func (r *remote) credential(ctx context.Context, patience *limit) (*signin.Credential, error) {
	began := time.Now() // whoever does not answer takes their time, and nobody signs in meanwhile
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		cred, err := r.access(ctx, patience, r.b.Access.Credential)
		if err == nil || !unanswered(err) || time.Since(began) >= r.b.patience() {
			return cred, err
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// renew gets another credential after a refusal.
func (r *remote) renew(ctx context.Context, patience *limit, of signin.Refusal) (*signin.Credential, error) {
	return r.access(ctx, patience, func(ctx context.Context) (*signin.Credential, error) { return r.b.Access.Renew(ctx, of) })
}

func unanswered(err error) bool {
	var access *signin.Error
	return errors.As(err, &access) && access.Passes()
}

// access gets a credential for a request. What is under way goes on when the request
// is cancelled: a client that waits a minute must not close the page on which its
// user signs in, nor lose a refresh token that was just spent.
func (r *remote) access(ctx context.Context, patience *limit, get func(context.Context) (*signin.Credential, error)) (*signin.Credential, error) {
	defer patience.hold()()
	defer limitOf(ctx).hold()()
	type got struct {
		cred *signin.Credential
		err  error
	}
	done := make(chan got, 1)
	r.running.Go(func() {
		cred, err := get(r.base)
		done <- got{cred, err}
	})
	select {
	case g := <-done:
		return g.cred, g.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
