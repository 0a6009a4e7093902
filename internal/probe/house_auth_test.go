package probe

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"crypto/rand"
)

func decode(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }

// wellKnown publishes what clients look for.
func (h *house) wellKnown(w http.ResponseWriter, _ *http.Request, path string) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch path {
	case wellKnown, wellKnown + "/mcp":
		doc := map[string]any{
			"resource": houseURL, "authorization_servers": []string{issuerOf}, "scopes_supported": []string{"read"}, "bearer_methods_supported": []string{"header"},
			"dpop_signing_alg_values_supported": []string{"ES256"},
		}
		switch {
		case h.faults["keys only"], h.faults["no path metadata"] && path != wellKnown:
			w.WriteHeader(http.StatusNotFound)
			return
		case h.faults["root disagrees"] && path == wellKnown, h.faults["other resource"]:
			doc["resource"] = "https://other.example.com/mcp"
		case h.faults["no issuer named"]:
			doc["authorization_servers"] = []string{}
		case h.faults["no key in common"]:
			doc["dpop_signing_alg_values_supported"] = []string{"ES512"}
		case h.faults["no bound tokens"]:
			doc["dpop_bound_access_tokens_required"] = true
		case h.faults["issuer inside"]:
			doc["authorization_servers"] = []string{"https://id.inside.example"}
		case h.faults["issuer of nobody"]:
			doc["authorization_servers"] = []string{"https://id.nobody.example"}
		case h.faults["issuer without metadata"]:
			doc["authorization_servers"] = []string{"https://example.com/nowhere"}
		case h.faults["issuer without a host"]:
			doc["authorization_servers"] = []string{"https:///realms/acme"}
		case h.faults["query advertised"]:
			doc["bearer_methods_supported"] = []string{"header", "query"}
		}
		writeJSON(w, 200, doc)
	case "/.well-known/oauth-authorization-server":
		writeJSON(w, 200, h.serverMetadata())
	case "/.well-known/jwks.json":
		writeJSON(w, 200, h.jwk())
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *house) serverMetadata() map[string]any {
	m := map[string]any{
		"issuer": issuerOf, "authorization_endpoint": issuerOf + "/authorize", "token_endpoint": issuerOf + "/token", "registration_endpoint": issuerOf + "/register",
		"jwks_uri": issuerOf + "/.well-known/jwks.json", "response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code"},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"dpop_signing_alg_values_supported":     []string{"ES256", "EdDSA"},
		"client_id_metadata_document_supported": true, "authorization_response_iss_parameter_supported": true,
	}
	for fault, member := range map[string]string{
		"no PKCE advertised": "code_challenge_methods_supported", "no token endpoint": "token_endpoint", "no iss advertised": "authorization_response_iss_parameter_supported",
	} {
		if h.faults[fault] {
			delete(m, member)
		}
	}
	if h.faults["proofs by nobody"] {
		m["dpop_signing_alg_values_supported"] = []string{"ES256", "none"}
	}
	if h.faults["no bound tokens"] {
		delete(m, "dpop_signing_alg_values_supported")
	}
	if h.faults["token endpoint inside"] {
		m["token_endpoint"] = "https://id.inside.example/token"
	}
	if h.faults["issuer with a slash"] {
		m["issuer"] = issuerOf + "/"
	}
	if h.faults["no registration"] {
		delete(m, "registration_endpoint")
		delete(m, "client_id_metadata_document_supported")
	}
	return m
}

func (h *house) authorizationServer(w http.ResponseWriter, r *http.Request, path string) {
	switch {
	case path == "/token":
		w.Header().Set("Cache-Control", "no-store")
		status := 400
		if h.faults["token errors in 200"] {
			status = 200
		}
		writeJSON(w, status, map[string]string{"error": "invalid_grant"})
	case path == "/register" && r.Method == http.MethodPost:
		h.registers(w, r)
	case r.Method == http.MethodDelete:
		h.mu.Lock()
		delete(h.clients, strings.TrimPrefix(path, "/register/"))
		h.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	default:
		h.authorizes(w, r)
	}
}

func (h *house) registers(w http.ResponseWriter, r *http.Request) {
	var m struct {
		URIs []string `json:"redirect_uris"`
	}
	if json.NewDecoder(r.Body).Decode(&m) != nil {
		w.WriteHeader(400)
		return
	}
	var kept []string
	for _, uri := range m.URIs {
		u, err := url.Parse(uri)
		good := err == nil && u.Fragment == "" && (u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost"))
		if good || h.faults["any scheme"] {
			kept = append(kept, uri)
		}
	}
	if len(kept) == 0 {
		writeJSON(w, 400, map[string]string{"error": "invalid_redirect_uri"})
		return
	}
	id := rand.Text()
	h.mu.Lock()
	h.clients[id] = kept
	h.mu.Unlock()
	writeJSON(w, 201, map[string]any{"client_id": id, "redirect_uris": kept, "registration_client_uri": issuerOf + "/register/" + id, "registration_access_token": rand.Text()})
}

func (h *house) authorizes(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	h.mu.Lock()
	known := h.clients[q.Get("client_id")]
	h.mu.Unlock()
	to := q.Get("redirect_uri")
	u, err := url.Parse(to)
	fits := err == nil && (slices.Contains(known, to) || u.Hostname() == "127.0.0.1" && u.User == nil && u.Path == "/")
	if !fits && !h.faults["any redirect"] {
		w.WriteHeader(400)
		return
	}
	fault := ""
	switch {
	case q.Get("response_type") != "code":
		fault = "unsupported_response_type"
	case q.Get("code_challenge_method") != "S256" && !h.faults["PKCE optional"]:
		fault = "invalid_request"
	case q.Get("resource") != houseURL && !h.faults["resource ignored"]:
		fault = "invalid_target"
	case q.Get("prompt") == "none":
		fault = "login_required"
	}
	if fault == "" && h.faults["code for anybody"] {
		http.Redirect(w, r, to+"?code="+rand.Text()+"&state="+q.Get("state"), http.StatusFound)
		return
	}
	if fault == "" {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>Sign in</html>"))
		return
	}
	back := url.Values{"error": {fault}, "state": {q.Get("state")}, "iss": {issuerOf}}
	if h.faults["errors without iss"] {
		back.Del("iss")
	}
	http.Redirect(w, r, to+"?"+back.Encode(), http.StatusFound)
}
