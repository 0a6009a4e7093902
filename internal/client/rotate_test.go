package client_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// accepts says whether a secret is one of a client's.
func (h *house) accepts(t *testing.T, id, secret string) bool {
	t.Helper()
	form, e := oauth.ParseParams(url.Values{"client_id": {id}, "client_secret": {secret}}.Encode())
	if e != nil {
		t.Fatal(e)
	}
	_, err := h.Authenticate(t.Context(), &client.Attempt{Form: form})
	var refusal *oauth.Error
	if err != nil && (!errors.As(err, &refusal) || refusal.Ref != "GH-1409") {
		t.Fatal(err)
	}
	return err == nil
}

func TestASecretIsRotatedWithoutAGap(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	_, first, err := h.Create(ctx, &client.Spec{ID: "ci", Name: "CI"})
	if err != nil {
		t.Fatal(err)
	}
	e, second, err := h.RotateSecret(ctx, "ci", time.Hour)
	if err != nil || second == first || len(second) < 40 || !e.Credentials.FormerUntil.Equal(h.clock.now().Add(time.Hour)) {
		t.Fatalf("got %+v, %q, %v", e, second, err)
	}
	want := func(what string, old, fresh bool) {
		t.Helper()
		for _, g := range []*house{h, h.again()} {
			if g.accepts(t, "ci", first) != old || g.accepts(t, "ci", second) != fresh || g.accepts(t, "ci", "another") {
				t.Errorf("%s: want the old secret %v, the new one %v", what, old, fresh)
			}
		}
	}
	want("in the overlap", true, true)
	_, _, err = h.RotateSecret(ctx, "ci", time.Hour)
	wantErr(t, "again", err, client.ErrRotating)
	h.clock.add(time.Hour)
	want("after it", false, true)
	_, err = h.CancelRotation(ctx, "ci", false)
	wantErr(t, "too late", err, client.ErrNotRotated)

	_, third, err := h.RotateSecret(ctx, "ci", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.CancelRotation(ctx, "ci", true); err != nil || !h.accepts(t, "ci", third) {
		t.Errorf("a preview: %v", err)
	}
	if _, err := h.CancelRotation(ctx, "ci", false); err != nil || h.accepts(t, "ci", third) {
		t.Errorf("cancelled: %v, and the new secret is accepted", err)
	}
	want("cancelled", false, true)
	if _, _, err := h.RotateSecret(ctx, "ci", time.Hour); err != nil {
		t.Fatal(err)
	}
	_, last, err := h.RotateSecret(ctx, "ci", 0) // whoever has both has nothing
	if err != nil || !h.accepts(t, "ci", last) {
		t.Fatal(err)
	}
	want("at once", false, false)
}

func TestASecretThatThereIsNotIsNotRotated(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	for _, s := range []client.Spec{
		{ID: "public", Name: "a", Redirects: []string{"http://127.0.0.1/cb"}, Method: oauth.AuthNone}, {ID: "keys", Name: "a", JWKSURI: "https://a.test/keys"}, {ID: "gone", Name: "a"},
	} {
		if _, _, err := h.Create(ctx, &s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Revoke(ctx, "gone", "ada", ""); err != nil {
		t.Fatal(err)
	}
	own := h.register(t, `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"client_secret_post"}`).ID
	for id, fact := range map[string]error{"public": client.ErrWrong, "keys": client.ErrWrong, "gone": client.ErrUnknown, "nobody": client.ErrUnknown, own: client.ErrUnknown} {
		_, _, err := h.RotateSecret(ctx, id, 0)
		wantErr(t, id, err, fact)
		_, err = h.CancelRotation(ctx, id, false)
		wantErr(t, id, err, fact)
	}
	if _, _, err := h.Create(ctx, &client.Spec{ID: "ci", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	for _, overlap := range []time.Duration{-1, 91 * 24 * time.Hour} {
		_, _, err := h.RotateSecret(ctx, "ci", overlap)
		wantErr(t, overlap.String(), err, client.ErrWrong)
	}
	row, err := h.Store.Client(ctx, "ci")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.RotateSecret(ctx, "ci", time.Hour); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "on what it was before", h.Store.Replace(ctx, "ci", row.Metadata, []byte("{}"), h.clock.now()), client.ErrRaced)
	if list, _, err := h.List(ctx, client.Filter{Kind: client.Static}); err != nil || len(list) != 3 {
		t.Errorf("got %+v, %v", list, err)
	}
}
