package probe

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// who says whose the credential of a request is; empty: nobody's.
func (h *house) who(r *http.Request) string {
	c := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c == "" {
		c = r.Header.Get("X-API-Key")
	}
	if c == "" && h.faults["query taken"] {
		c = r.URL.Query().Get("api_key")
	}
	h.mu.Lock()
	made := h.keys[c]
	h.mu.Unlock()
	switch {
	case c == goodKey || made:
		return "ada"
	case c == otherKey:
		return "ben"
	case c != "" && (h.faults["any credential"] || h.faults["revoked taken"] && strings.Contains(c, "revoked")):
		return "eve"
	}
	return h.token(c)
}

// token verifies an access token.
func (h *house) token(text string) string {
	var claims struct {
		Sub, Aud, Iss string
		Exp           int64
	}
	t, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256, jose.HS256})
	if head, rest, ok := strings.Cut(text, "."); ok && err != nil && h.faults["alg none"] {
		payload, _, _ := strings.Cut(rest, ".")
		raw, _ := decode(head)
		if strings.Contains(strings.ToLower(string(raw)), `"alg":"none"`) {
			body, _ := decode(payload)
			_ = json.Unmarshal(body, &claims)
			return claims.Sub
		}
	}
	if err != nil {
		return ""
	}
	head := t.Signatures[0].Header
	signature := strings.TrimLeft(text[strings.LastIndexByte(text, '.')+1:], "A")
	if payload := t.UnsafePayloadWithoutVerification(); h.faults["zeros"] && signature == "" || h.faults["own key"] && head.JSONWebKey != nil {
		_ = json.Unmarshal(payload, &claims)
		return claims.Sub
	}
	var key any = h.signing.Public()
	if head.Algorithm == "HS256" {
		if !h.faults["HS256"] {
			return ""
		}
		der, _ := x509.MarshalPKIXPublicKey(h.signing.Public())
		key = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	payload, err := t.Verify(key)
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Iss != issuerOf {
		return ""
	}
	switch {
	case claims.Aud != houseURL && !h.faults["any audience"],
		claims.Exp < time.Now().Unix() && !h.faults["expired taken"],
		head.ExtraHeaders["typ"] != "at+jwt" && !h.faults["any typ"]:
		return ""
	}
	return claims.Sub
}

// sign makes a token of the house.
func (h *house) sign(t *testing.T, typ, aud string, exp time.Time) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: h.signing}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{"iss": issuerOf, "sub": "ada", "aud": aud, "exp": exp.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// mcp is the server itself, of both eras.
func (h *house) mcp(w http.ResponseWriter, r *http.Request, who string) {
	if r.Method == http.MethodGet {
		if id := r.Header.Get("Mcp-Session-Id"); id == "" || !h.session(id, who) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(": open\n\n"))
		return
	}
	var m struct {
		ID     any
		Method string
		Params struct {
			Name string
			Meta map[string]any `json:"_meta"`
		}
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if r.Method != http.MethodPost || json.Unmarshal(body, &m) != nil || m.Method == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	say := func(status int, key string, v any) {
		all := map[string]any{"jsonrpc": "2.0", "id": m.ID, key: v}
		if h.faults["echoes"] {
			all["sent"] = r.Header.Get("Authorization")
		}
		writeJSON(w, status, all)
	}
	modern := m.Params.Meta[metaVersion] != nil
	header := r.Header
	switch {
	case modern && !h.faults["headers not compared"] && (header.Get("Mcp-Method") != m.Method || header.Get("Mcp-Name") != m.Params.Name || header.Get("Mcp-Protocol-Version") != m.Params.Meta[metaVersion]):
		say(400, "error", map[string]any{"code": headerMismatch, "message": "header mismatch"})
	case m.Method == "initialize":
		id := "session-" + map[string]string{"ada": "1", "ben": "2"}[who]
		h.mu.Lock()
		h.sessions[id] = who
		h.mu.Unlock()
		w.Header().Set("Mcp-Session-Id", id)
		say(200, "result", map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{}, "serverInfo": map[string]any{"name": "house", "version": "1"}})
	case !modern && !h.session(header.Get("Mcp-Session-Id"), who):
		w.WriteHeader(http.StatusNotFound)
	case m.Method == "tools/list":
		say(200, "result", map[string]any{"tools": []any{map[string]any{"name": "read_notes", "inputSchema": map[string]any{"type": "object"}}}})
	default:
		say(200, "error", map[string]any{"code": -32602, "message": "there is no such tool"})
	}
}

// session says whether somebody may use a session.
func (h *house) session(id, who string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	owner, ok := h.sessions[id]
	return ok && (owner == who || h.faults["session of anybody"] || h.faults["session is enough"])
}

// keyMaker makes keys of a house.
type keyMaker struct {
	h    *house
	keys map[string]string
}

func (k *keyMaker) Make(context.Context) (id, key string, err error) {
	id, key = rand.Text(), "house_"+rand.Text()
	k.h.mu.Lock()
	defer k.h.mu.Unlock()
	k.h.keys[key], k.keys[id] = true, key
	return id, key, nil
}

func (k *keyMaker) Rotate(ctx context.Context, id string) (next, key string, err error) {
	next, key, _ = k.Make(ctx)
	return next, key, k.Revoke(ctx, id)
}

func (k *keyMaker) Revoke(_ context.Context, id string) error {
	k.h.mu.Lock()
	defer k.h.mu.Unlock()
	if !k.h.faults["revoked keys live"] {
		delete(k.h.keys, k.keys[id])
	}
	return nil
}
