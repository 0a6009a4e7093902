package grant_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// Whoever has a copy of the database has nothing that buys a token.
func TestA078NothingAtRestIsACredential(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	used, waiting := h.code(s), h.code(s)
	g, err := s.Redeem(t.Context(), redemption(used))
	if err != nil {
		t.Fatal(err)
	}
	first := s.RefreshTokenOf(g)
	secrets := map[string]string{"a code": waiting, "a used code": used, "a refresh token": h.refreshed(s, first), "a used refresh token": first}
	_, started := h.device(h.devices(s))
	secrets["a device code"], secrets["a user code"] = started.DeviceCode, started.UserCode
	q := &grant.Requests{Store: h.db.Requests(), Now: h.now}
	if secrets["a request_uri"], err = q.Push(t.Context(), "cli", "x=y", time.Minute); err != nil {
		t.Fatal(err)
	}
	var dump []byte
	files, err := filepath.Glob(filepath.Join(h.dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		dump = append(dump, b...)
	}
	if !bytes.Contains(dump, []byte(g.ID)) {
		t.Fatal("the dump has no grant in it")
	}
	for name, text := range secrets {
		forms := [][]byte{[]byte(text)}
		if len(text) == keytext.Len {
			_, raw, err := keytext.Read(keytext.Kind(text[:5]), text)
			if err != nil {
				t.Fatal(err)
			}
			forms = append(forms, []byte(text[keytext.SecretAt:]), raw[:], []byte(hex.EncodeToString(raw[:])), []byte(base64.RawURLEncoding.EncodeToString(raw[:])))
		}
		for _, form := range forms {
			if bytes.Contains(dump, form) {
				t.Errorf("%s is in the database", name)
			}
		}
	}
	for _, form := range [][]byte{s.Secret, []byte(hex.EncodeToString(s.Secret)), []byte(base64.RawURLEncoding.EncodeToString(s.Secret))} {
		if bytes.Contains(dump, form) {
			t.Error("what refresh tokens are derived from is in the database")
		}
	}
	// What is there instead is no credential.
	r, err := h.db.Grants().Find(t.Context(), idOf(t, keytext.Code, waiting))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(t.Context(), redemption(keytext.Compose(keytext.Code, r.ID, r.Code))); err == nil {
		t.Error("a stored hash is a code")
	}
}
