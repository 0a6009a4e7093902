package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestStepUp gives real clients a token without the scope that the second tool
// needs: they are told all that it needs, ask their user once more for that and
// what they had, and go on.
func TestStepUp(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read tools:write"}})
	f.open(t, f.text(goServer(t, true), readsAndWrites, p.yaml("")), p)
	for _, c := range travellers() {
		t.Run(c.name, func(t *testing.T) {
			j := c.goes(t, f, p, "ada", reading, writing)
			if j.Error != "" || len(j.Results) != 2 || j.Results[0].Error != "" || j.Results[1].Error != "" {
				t.Fatalf("got %+v, want two answers", j)
			}
			if len(j.Sent) != 2 {
				t.Fatalf("got %d authorization requests, want 2: %v", len(j.Sent), j.Sent)
			}
			first, second := strings.Fields(j.Sent[0]["scope"]), strings.Fields(j.Sent[1]["scope"])
			if !slices.Contains(first, "tools:read") || slices.Contains(first, "tools:write") {
				t.Errorf("got scopes %q asked for at first, want tools:read alone", first)
			}
			if !slices.Contains(second, "tools:read") || !slices.Contains(second, "tools:write") {
				t.Errorf("got scopes %q asked for then, want both", second)
			}
			_, claims := peek(t, j.Token)
			if all := strings.Fields(fmt.Sprint(claims["scope"])); len(all) != 2 || !slices.Contains(all, "tools:read") || !slices.Contains(all, "tools:write") {
				t.Errorf("got a token with %q, want both scopes", all)
			}
		})
	}
}

// TestStepUpAtAnotherProvider is the same where clients are registered by hand.
func TestStepUpAtAnotherProvider(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := glewlwydProvider(t, []string{"ada"}, map[string][]string{"tools:read": {f.url}, "tools:write": {f.url}})
	f.open(t, f.text(goServer(t, true), readsAndWrites, p.yaml("")), p)
	if j := goTraveller(t, f, p, "ada", reading, writing); j.Error != "" || len(j.Sent) != 2 || len(j.Results) != 2 || j.Results[1].Error != "" {
		t.Errorf("got %+v, want two answers after two authorizations", j)
	}
}

// TestClientsRegisterThemselves has clients without an identifier get one of
// the provider that they are led to.
func TestClientsRegisterThemselves(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read tools:write"}})
	f.open(t, f.text(goServer(t, true), readsAndWrites, p.yaml("")), p)
	for _, sdk := range []string{"1", "2"} {
		j := nodeTraveller(sdk, "")(t, f, p, "ada", reading)
		if j.Error != "" || len(j.Results) != 1 || j.Results[0].Error != "" || len(j.Sent) != 1 || j.Sent[0]["client_id"] == "client" {
			t.Errorf("TypeScript SDK %s: got %+v, want an answer", sdk, j)
		}
	}
}

// document reads a document that everybody may read.
func (f *front) document(t *testing.T, path string) (map[string]any, got) {
	t.Helper()
	answer := f.ask(f.client(), http.MethodGet, "https://"+f.address+path, "")
	var doc map[string]any
	if err := json.Unmarshal([]byte(answer.body), &doc); err != nil || answer.status != http.StatusOK {
		t.Fatalf("%s: got %d %s, want a document", path, answer.status, answer.body)
	}
	return doc, answer
}

// TestWhatIsAnnounced reads what clients are told before they sign in.
func TestWhatIsAnnounced(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read tools:write"}})
	f.open(t, f.text(newDouble(t, nil).URL, readsAndWrites, p.yaml("")), p)
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"} {
		doc, answer := f.document(t, path)
		if doc["resource"] != f.url || !slices.Equal(texts(doc["authorization_servers"]), []string{p.issuer}) {
			t.Errorf("%s: got %v, want the resource %s and the issuer %s", path, doc, f.url, p.issuer)
		}
		if !slices.Equal(texts(doc["scopes_supported"]), []string{"tools:read"}) || !slices.Equal(texts(doc["bearer_methods_supported"]), []string{"header"}) {
			t.Errorf("%s: got %v, want the first scopes and the header", path, doc)
		}
		if answer.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: got no CORS header, want it readable by pages", path)
		}
	}
	metadata := `resource_metadata="https://` + f.address + `/.well-known/oauth-protected-resource/mcp"`
	none := f.ask(f.client(), http.MethodPost, f.url, toolCall(reading, `{}`), toolHeaders("", reading)[1:]...)
	challenge := none.header.Get("WWW-Authenticate")
	if none.status != http.StatusUnauthorized || !strings.Contains(challenge, metadata) || !strings.Contains(challenge, `scope="tools:read"`) || strings.Contains(challenge, "error=") {
		t.Errorf("got %d and %s without a credential, want where the metadata is, the first scope and no error", none.status, challenge)
	}
	few := f.call(p.token(request{user: "ada", resource: f.url, scopes: "tools:read"}).Access, writing)
	challenge = few.header.Get("WWW-Authenticate")
	few.wantRefusal(t, "too few scopes", http.StatusForbidden, "GH-1201", "insufficient_scope")
	if !strings.Contains(challenge, metadata) || !strings.Contains(challenge, `scope="tools:read tools:write"`) {
		t.Errorf("got %s, want all scopes of the call", challenge)
	}
}

// texts is a list of texts in JSON.
func texts(v any) []string {
	list, _ := v.([]any)
	all := make([]string, len(list))
	for i, e := range list {
		all[i], _ = e.(string)
	}
	return all
}

// TestClientsOf20250326 have not heard of resources and their metadata: they
// look for that of an authorization server at our root, and find a copy of the
// provider's.
func TestClientsOf20250326(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read tools:write"}}, "defaultResource", f.url)
	f.open(t, f.text(goServer(t, true), readsAndWrites, p.yaml("")), p)
	doc, _ := f.document(t, "/.well-known/oauth-authorization-server")
	if m := p.metadata(); doc["issuer"] != p.issuer || doc["token_endpoint"] != m.Token || doc["authorization_endpoint"] != m.Authorization {
		t.Errorf("got %v, want the provider's metadata", doc)
	}
	j := nodeTraveller("1", "fleeting", "old")(t, f, p, "ada", reading)
	if j.Error != "" || len(j.Results) != 1 || j.Results[0].Error != "" {
		t.Fatalf("got %+v, want an answer", j)
	}
	if len(j.Sent) != 1 || j.Sent[0]["resource"] != "" {
		t.Errorf("got %v, want a client that names no resource", j.Sent)
	}
}
