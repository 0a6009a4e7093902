package gatehouse

import (
	"context"
	"errors"
	"fmt"
)

// AnyOf returns a verifier that asks each of several in turn. A credential that
// one says is not of its kind ([ErrNotMine]) goes to the next; any other answer
// is final, so that what one refuses none can accept. What none takes is
// ErrNotMine, with the story of the last that told one.
func AnyOf(verifiers ...Verifier) Verifier { return append(anyOf{}, verifiers...) }

type anyOf []Verifier

// Check asks each verifier that can be asked.
func (a anyOf) Check() error {
	if len(a) == 0 {
		return errors.New("AnyOf: it is empty")
	}
	for i, v := range a {
		if err := checked(fmt.Sprintf("AnyOf[%d]", i), v); err != nil {
			return err
		}
	}
	return nil
}

// Verify implements Verifier.
func (a anyOf) Verify(ctx context.Context, c *Credential) (*Identity, error) {
	last := ErrNotMine
	for _, v := range a {
		id, err := ask(ctx, v, c)
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, ErrNotMine) {
			return nil, err
		}
		if _, told := refusal(err); told {
			last = err
		}
	}
	return nil, last
}
