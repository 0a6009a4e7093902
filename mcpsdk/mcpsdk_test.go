package mcpsdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/mcpsdk"
)

// files is a server whose tools say who calls them and with which scopes: by the
// context, by the SDK's own means, and by ours.
func files() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "files", Version: "1"}, nil)
	tell := func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		id, ok := gatehouse.FromContext(ctx)
		extra, ok2 := mcpsdk.Identity(req.Extra)
		if !ok || !ok2 || id != extra {
			return nil, nil, errors.New("nobody calls")
		}
		text := fmt.Sprint(id.Subject, id.Scopes, req.Extra.TokenInfo.UserID, req.Extra.TokenInfo.Scopes)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
	}
	mcp.AddTool(s, &mcp.Tool{Name: "read"}, tell)
	mcp.AddTool(s, &mcp.Tool{Name: "write"}, tell)
	mcp.AddTool(s, &mcp.Tool{Name: "late"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, gatehouse.Need(ctx, "files:late")
	})
	return s
}

func need(op *gatehouse.Operation) []string {
	if op.Name == "write" {
		return []string{"files:read", "files:write"}
	}
	return []string{"files:read"}
}

// serve serves files, with what issuer gives out as credentials.
func serve(t *testing.T, i *issuer, o *mcpsdk.Options) string {
	t.Helper()
	var h http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	r := gatehouse.Resource{URL: s.URL + "/mcp", AuthorizationServers: []string{i.URL}, Scopes: []string{"files:read"}, Log: slog.New(slog.DiscardHandler)}
	var err error
	if h, err = mcpsdk.Handler(files(), r, i, o); err != nil {
		t.Fatal(err)
	}
	return r.URL
}

// connect connects as a user who consents to everything.
func connect(t *testing.T, url string, i *issuer, user string) *mcp.ClientSession {
	t.Helper()
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: i.client(), RedirectURL: "http://127.0.0.1:1/callback",
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			return i.consent(ctx, args.URL, user)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url, OAuthHandler: handler}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func call(t *testing.T, s *mcp.ClientSession, tool string) *mcp.CallToolResult {
	t.Helper()
	res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return res
}

func said(res *mcp.CallToolResult) string { return res.Content[0].(*mcp.TextContent).Text }

// A client that calls what its token does not reach signs in for more, by
// itself, in one go; the handler sees the new rights though the session is old.
func TestStepUp(t *testing.T) {
	for name, o := range map[string]*mcp.StreamableHTTPOptions{"with sessions": nil, "without": {Stateless: true}} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			s := connect(t, serve(t, i, &mcpsdk.Options{HTTP: o, Need: need}), i, "ada")
			if got, want := said(call(t, s, "read")), "ada[files:read]"; !strings.HasPrefix(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
			if got, want := said(call(t, s, "write")), "ada[files:read files:write]"; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "[files:read files:write]") {
				t.Errorf("got %s, want %s", got, want)
			}
			if want := []string{"files:read", "files:read files:write"}; !slices.Equal(i.asked, want) {
				t.Errorf("got consents to %q, want %q", i.asked, want)
			}
		})
	}
}

// What only a tool itself can tell is its error, with the challenge beside it.
func TestNeedInsideATool(t *testing.T) {
	i := newIssuer(t)
	res := call(t, connect(t, serve(t, i, nil), i, "ada"), "late")
	challenges, _ := res.Meta["mcp/www_authenticate"].([]any)
	if !res.IsError || len(challenges) != 1 || !strings.Contains(fmt.Sprint(challenges[0]), `error="insufficient_scope"`) || !strings.Contains(said(res), "GH-1201") {
		t.Errorf("got %+v %s", res, said(res))
	}
}

// A session is its caller's: another one's token opens none.
func TestSessionsBelongToTheirCaller(t *testing.T) {
	i := newIssuer(t)
	url := serve(t, i, nil)
	ada := connect(t, url, i, "ada")
	for user, want := range map[string]int{"bob": 403, "ada": 200, "": 401} {
		q, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(`{"jsonrpc":"2.0","id":9,"method":"tools/list"}`))
		if err != nil {
			t.Fatal(err)
		}
		q.Header = http.Header{
			"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
			"Mcp-Session-Id": {ada.ID()}, "Mcp-Protocol-Version": {"2025-11-25"},
		}
		if user != "" {
			q.Header.Set("Authorization", "Bearer "+i.token(user, "files:read"))
		}
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%q: got %d %s, want %d", user, res.StatusCode, body, want)
		}
	}
}

func TestUserIDsDiffer(t *testing.T) {
	seen := map[string]gatehouse.Identity{}
	for _, id := range []gatehouse.Identity{
		{Subject: "a"}, {Issuer: "a"}, {Tenant: "a"}, {Issuer: "a", Subject: "a"}, {Issuer: "a a"}, {Issuer: "a", Tenant: "a"},
		{Issuer: "a", Subject: " a"}, {Issuer: "a ", Subject: "a"}, {Tenant: "a ", Subject: "a"}, {Tenant: "a", Subject: "a"}, {Issuer: "a+", Subject: "a"},
		{Tenant: "b c", Subject: "d"}, {Tenant: "b", Subject: "c d"}, {Issuer: "b c", Tenant: "d"}, {Issuer: "b", Tenant: "c d"}, {Issuer: "b", Tenant: "c", Subject: "d"},
	} {
		if other, ok := seen[mcpsdk.UserID(&id)]; ok {
			t.Errorf("%+v and %+v are both %q", id, other, mcpsdk.UserID(&id))
		}
		seen[mcpsdk.UserID(&id)] = id
	}
}

// Outside Protect nobody comes through, and another transport's requests are nobody's.
func TestNobodyComesThroughElsewhere(t *testing.T) {
	reached := false
	h := mcpsdk.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	for name, ctx := range map[string]context.Context{"no identity": t.Context(), "a nil one": gatehouse.NewContext(t.Context(), nil)} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/mcp", nil))
		if w.Code != 500 || reached {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
	ctx := gatehouse.NewContext(t.Context(), &gatehouse.Identity{Subject: "of the session"})
	_, err := mcpsdk.Middleware(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
		if id, ok := gatehouse.FromContext(ctx); ok {
			t.Errorf("got %+v for a request that nobody signed", id)
		}
		return nil, nil
	})(ctx, "tools/list", &mcp.ListToolsRequest{})
	if err != nil {
		t.Error(err)
	}
	if _, err := mcpsdk.Handler(nil, gatehouse.Resource{}, nil, nil); err == nil {
		t.Error("want an error without a server")
	}
	if _, err := mcpsdk.Handler(files(), gatehouse.Resource{}, nil, nil); err == nil || !strings.Contains(err.Error(), "Resource.URL") {
		t.Errorf("got %v", err)
	}
}

func TestVerifier(t *testing.T) {
	i := newIssuer(t)
	r := gatehouse.Resource{URL: "https://mcp.example.com/mcp", Log: slog.New(slog.DiscardHandler)}
	v, err := mcpsdk.Verifier(r, i)
	if err != nil {
		t.Fatal(err)
	}
	good := i.token("ada", "files:read")
	tests := []struct {
		name    string
		method  string
		target  string
		headers []string
		want    error // nil: accepted
	}{
		{"a good one", "POST", "/mcp", []string{"Authorization", "Bearer " + good}, nil},
		{"another", "POST", "/mcp", []string{"Authorization", "Bearer x"}, auth.ErrInvalidToken},
		{"two", "POST", "/mcp", []string{"Authorization", "Bearer " + good, "X-Api-Key", good}, auth.ErrOAuth},
		{"one in the query", "POST", "/mcp?token=x", []string{"Authorization", "Bearer " + good}, auth.ErrInvalidToken},
		{"a page of others", "POST", "/mcp", []string{"Authorization", "Bearer " + good, "Origin", "https://evil.example"}, auth.ErrOAuth},
	}
	for _, tt := range tests {
		q := httptest.NewRequest(tt.method, tt.target, nil)
		for n := 0; n < len(tt.headers); n += 2 {
			q.Header.Add(tt.headers[n], tt.headers[n+1])
		}
		info, err := v(t.Context(), "", q)
		if tt.want == nil && (err != nil || info.UserID != mcpsdk.UserID(i.known[good]) || !slices.Equal(info.Scopes, []string{"files:read"}) || info.Expiration.Before(time.Now())) {
			t.Errorf("%s: got %+v, %v", tt.name, info, err)
		}
		if tt.want != nil && (!errors.Is(err, tt.want) || info != nil || strings.Contains(err.Error(), good)) {
			t.Errorf("%s: got %+v, %v, want %v", tt.name, info, err, tt.want)
		}
	}
	// What the door answers by itself is nobody's.
	for _, q := range []*http.Request{httptest.NewRequest("GET", "/.well-known/oauth-protected-resource", nil), httptest.NewRequest("OPTIONS", "/mcp", nil)} {
		q.Header.Set("Origin", "https://mcp.example.com")
		q.Header.Set("Access-Control-Request-Method", "POST")
		if info, err := v(t.Context(), "", q); info != nil || err == nil {
			t.Errorf("%s %s: got %+v, %v", q.Method, q.URL, info, err)
		}
	}
	if _, err := mcpsdk.Verifier(r, nil); err == nil {
		t.Error("want an error without a verifier")
	}
}
