package server

import (
	"context"
	"errors"
	"testing"
	"time"
)

// issuerDocs answers with metadata, as long as open is not nil once that is closed.
type issuerDocs struct{ open chan struct{} }

func (d *issuerDocs) Check(string) error { return nil }

func (d *issuerDocs) Get(ctx context.Context, _ string) ([]byte, error) {
	if d.open != nil {
		select {
		case <-d.open:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return []byte(`{"issuer":"https://idp.example","jwks_uri":"https://idp.example/keys"}`), nil
}

// An issuer that hangs holds nobody who has left, and nobody for long while there
// is a copy of what it said.
func TestAnIssuerThatHangsHoldsNobody(t *testing.T) {
	docs := &issuerDocs{open: make(chan struct{})}
	c := &copied{issuer: "https://idp.example", fetch: docs}
	left, leave := context.WithCancel(t.Context())
	leave()
	done := make(chan error, 50)
	for range cap(done) {
		go func() { _, err := c.document(left); done <- err }()
	}
	for range cap(done) {
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want that the client has left", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("a client that has left still waits for the issuer")
		}
	}
	close(docs.open)
	if body, err := c.document(t.Context()); err != nil || len(body) == 0 {
		t.Fatalf("got %q, %v", body, err)
	}

	hanging := make(chan struct{})
	c.mu.Lock()
	c.next, c.fetch = time.Time{}, &issuerDocs{open: hanging}
	c.mu.Unlock()
	for range 2 {
		if body, err := c.document(t.Context()); err != nil || len(body) == 0 { // waits seconds, not until the issuer answers
			t.Fatalf("got %q, %v, want the copy", body, err)
		}
	}
	close(hanging)
}
