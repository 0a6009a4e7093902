package probe

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
)

func faultsOfBehaviour() []fine {
	return slices.Concat(faultsOfEntry(), faultsOfRefusals(), faultsOfSignIn(), faultsOfLimits())
}

func faultsOfEntry() []fine {
	header := func(name string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Header.Get(name) != "" && r.Header.Get("Authorization") == "" }
	}
	return []fine{
		{demanded, "the MCP server itself answers", Warn, opensWith(400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"bad"}}`), nil},
		{demanded, "neither a refusal nor MCP", Unknown, opensWith(200, `{"hello":1}`), nil},
		{toolsOpen, "with no tools in it", Warn, opens(func(r *http.Request) bool {
			return r.Header.Get("Mcp-Method") == "tools/list" && r.Header.Get("Authorization") == ""
		}), nil},
		{routes, "POST /rpc is served", Fail, opens(func(r *http.Request) bool { return r.URL.Path == "/rpc" }), nil},
		{routes, "GET /events opens a stream", Fail, at("/events", 200, "text/event-stream", ": open\n\n"), nil},
		{routes, "POST /rpc → 503", Unknown, at("/rpc", 503, "text/plain", ""), nil},
		{routes, "POST /gatehouse-check-nothing → 503", Unknown, at("/gatehouse-check-nothing", 503, "text/plain", ""), nil},
		{paths, "X-Rewrite-URL: /mcp at another path", Fail, opens(header("X-Rewrite-Url")), nil},
		{paths, "X-Forwarded-User: admin is enough", Fail, opens(header("X-Forwarded-User")), nil},
		{paths, "Cookie: session=1; token=1 is enough", Fail, opens(header("Cookie")), nil},
		{debug, "GET /metrics is shown", Warn, at("/metrics", 200, "text/plain", "# TYPE up gauge\n"), nil},
		{debug, "GET /.env is shown", Fail, at("/.env", 200, "text/plain", "SECRET=x\n"), nil},
		{upstream, "without asking for a credential", Warn, func(r *http.Request, a *answer) {
			if strings.HasPrefix(r.Host, "behind.") {
				says(a, 400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"bad"}}`)
			}
		}, nil},
		{upstream, "is no URL", Unknown, nil, func(o *Options) { o.Upstreams = []string{"behind"} }},
	}
}

func faultsOfRefusals() []fine {
	alone := func(o *Options) { o.Credential, o.Other = "", "" }
	return []fine{
		{garbage, "(200), as nobody's is", Fail, opens(func(r *http.Request) bool { return r.Header.Get("Mcp-Method") == "" }), nil},
		{debug, "budget", Unknown, nil, func(o *Options) { o.Budget = 1 }},
		{garbage, "has no Bearer challenge", Warn, head(401, "WWW-Authenticate", "Basic"), nil},
		{garbage, "in place of invalid_token", Warn, head(401, "WWW-Authenticate", `Bearer error="invalid_request"`), nil},
		{garbage, "a failure", Unknown, presents("gatehouse-check", 503), nil},
		{garbage, "answered 500", Fail, presents("gatehouse-check", 500), nil},
		{uniform, "an unknown one 401", Fail, presents("revoked", 403), nil},
		{uniform, "with other headers", Warn, func(r *http.Request, a *answer) {
			if strings.Contains(r.Header.Get("Authorization"), "revoked") {
				a.Header().Set("X-Why", "revoked")
			}
		}, nil},
		{uniform, "a failure", Unknown, presents("revoked", 503), nil},
		{origin, "every origin may call", Warn, everyOrigin, nil},
		{origin, "with 400 in place of 403", Warn, func(r *http.Request, a *answer) {
			if a.Code == http.StatusForbidden && r.Header.Get("Origin") != "" {
				says(a, 400, "application/json", "{}")
			}
		}, nil},
		{origin, "needs one that is accepted", Unknown, askFirst, alone},
		{host, "needs one that is accepted", Unknown, askFirst, alone},
		{host, "is served on loopback", Fail, opens(func(*http.Request) bool { return true }), func(o *Options) {
			alone(o)
			o.URL, o.From, o.Resolvers = "https://127.0.0.1/mcp", "", nil
		}},
		{mismatch, "503", Unknown, func(_ *http.Request, a *answer) {
			if strings.Contains(a.Body.String(), "header mismatch") {
				says(a, 503, "text/plain", "")
			}
		}, nil},
		{query, "no key today", Unknown, nil, func(o *Options) { o.Keys = noKeys{} }},
		{cors, "WWW-Authenticate is not exposed", Warn, head(0, "Access-Control-Expose-Headers", ""), nil},
		{mismatch, "but not with error -32020", Warn, func(_ *http.Request, a *answer) {
			if strings.Contains(a.Body.String(), "header mismatch") {
				says(a, 400, "application/json", `{"jsonrpc":"2.0","id":"gatehouse-check-1","error":{"code":-32600,"message":"no"}}`)
			}
		}, nil},
		{query, "a user name or password", Fail, nil, func(o *Options) { o.URL = "https://me:secret-word@example.com/mcp" }},
		{query, "--in-url, or --rotate", Unknown, nil, func(o *Options) { o.Keys = nil }},
		{sessions, "needs a second one", Unknown, nil, func(o *Options) { o.Other = "" }},
		{sessions, "is not accepted at all", Unknown, nil, func(o *Options) { o.Other = "house_of_nobody_0123456789" }},
		{strength, "128 are the least", Warn, nil, func(o *Options) { o.Credential, o.Keys = "abcdefgh12345678", nil }},
		{leaks, "what looks like a secret", Fail, at("/mcp", 401, "text/plain", "ghp_0123456789abcdefghijABCDEFGHIJ"), nil},
		{leaks, "what looks like a secret", Fail, at("/mcp", 401, "text/plain", "AKIA0123456789ABCDEF"), nil},
		{leaks, "an internal address", Warn, at("/mcp", 401, "text/plain", "from 10.1.2.3"), nil},
		{leaks, "tells which software", Warn, head(0, "X-Powered-By", "Express"), nil},
		{leaks, "a redirect has a secret", Fail, head(401, "Location", "https://example.com/?token=abcdefgh"), nil},
	}
}

// noKeys is a KeyMaker on strike.
type noKeys struct{ KeyMaker }

func (noKeys) Make(context.Context) (id, key string, err error) {
	return "", "", errors.New("no key today")
}

// opensWith answers strangers who send no credential with a body of a status.
func opensWith(status int, text string) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		if r.URL.Path == "/mcp" && r.Header.Get("Mcp-Method") == "tools/call" && r.Header.Get("Authorization") == "" {
			says(a, status, "application/json", text)
		}
	}
}

// everyOrigin lets pages of all origins call, without cookies.
func everyOrigin(r *http.Request, a *answer) {
	if r.Header.Get("Origin") == "" {
		return
	}
	if a.Code == http.StatusForbidden {
		says(a, 200, "application/json", rpcReply)
	}
	a.Header().Set("Access-Control-Allow-Origin", "*")
}

// askFirst asks for the credential before it looks at anything else.
func askFirst(r *http.Request, a *answer) {
	if r.Header.Get("Authorization") == "" && r.Method == http.MethodPost {
		says(a, 401, "application/json", "{}")
		a.Header().Set("WWW-Authenticate", "Bearer")
	}
}

func faultsOfSignIn() []fine {
	refuses := func(text string) func(*http.Request, *answer) {
		return func(r *http.Request, a *answer) {
			if r.URL.Path == "/authorize" && strings.Contains(r.URL.RawQuery, text) {
				says(a, 400, "text/plain", "")
				a.Header().Del("Location")
			}
		}
	}
	fails := func(text string) func(*http.Request, *answer) {
		return func(r *http.Request, a *answer) {
			if r.URL.Path == "/authorize" && strings.Contains(r.URL.RawQuery, text) {
				says(a, 503, "text/plain", "")
			}
		}
	}
	return []fine{
		{consent, "is not taken", Unknown, refuses("response_type=code"), nil},
		{consent, "needs a client", Unknown, nil, func(o *Options) { o.Register = false }},
		{consent, "cannot register themselves", Unknown, has(asMeta, "registration_endpoint", nil), nil},
		{consent, "no client could be registered", Unknown, at("/register", 403, "text/plain", ""), nil},
		{pkceEnforced, "503", Unknown, func(r *http.Request, a *answer) {
			if r.URL.Path == "/authorize" && !strings.Contains(r.URL.RawQuery, "S256") {
				says(a, 503, "text/plain", "")
			}
		}, nil},
		{pkceEnforced, "is not taken either", Unknown, refuses("S256"), nil},
		{redirects, "a browser is led to", Fail, func(r *http.Request, a *answer) {
			if to := r.URL.Query().Get("redirect_uri"); strings.HasSuffix(to, "other") {
				says(a, 302, "text/plain", "")
				a.Header().Set("Location", to+"?error=x")
			}
		}, nil},
		{redirects, "another port of a loopback URI", Warn, refuses("51004"), nil},
		{redirects, "503", Unknown, fails("invalid%2Fcb"), nil},
		{targets, "in place of invalid_target", Warn, func(r *http.Request, a *answer) {
			if strings.Contains(a.Header().Get("Location"), "invalid_target") {
				back("error", "invalid_request")(r, a)
			}
		}, nil},
		{targets, "503", Unknown, func(r *http.Request, a *answer) {
			if strings.Contains(a.Header().Get("Location"), "invalid_target") {
				says(a, 503, "text/plain", "")
			}
		}, nil},
		{issSent, "and the issuer is", Fail, back("iss", "https://evil.example"), nil},
		{issSent, "without our state", Fail, back("state", ""), nil},
		{issSent, "no error comes back", Unknown, func(r *http.Request, a *answer) {
			if r.URL.Path == "/authorize" {
				says(a, 200, "text/html", "<html>")
				a.Header().Del("Location")
			}
		}, nil},
		{schemes, "503", Unknown, func(r *http.Request, a *answer) {
			if r.URL.Path == "/register" && a.Code == 400 {
				says(a, 503, "text/plain", "")
			}
		}, nil},
	}
}

func faultsOfLimits() []fine {
	made := func(word string, status int) func(*http.Request, *answer) {
		n := map[string]int{}
		return func(r *http.Request, a *answer) {
			c := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer house_")
			if len(c) != 26 { // those that a keyMaker makes
				return
			}
			if n[c]++; word == "first" && len(n) == 1 || word == "second" && len(n) == 2 {
				says(a, status, "application/json", `{"error":"unauthorized"}`)
			}
		}
	}
	return []fine{
		{rate, "without Retry-After", Warn, head(429, "Retry-After", ""), nil},
		{rate, "none was refused with 429", Warn, func(r *http.Request, a *answer) {
			if bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); bearer != goodKey && bearer != "" {
				says(a, 429, "text/plain", "")
			} else if a.Code == 429 {
				says(a, 200, "application/json", rpcReply)
			}
		}, func(o *Options) { o.Only = append(o.Only, garbage.Code) }},
		{rate, "503", Unknown, presents(goodKey, 503), nil},
		{failures, "a made-up credential is served", Fail, opens(func(r *http.Request) bool { return strings.Contains(r.Header.Get("Authorization"), "check-wrong") }), nil},
		{failures, "429", Unknown, presents("check-wrong", 429), nil},
		{failures, "--burst", Unknown, nil, func(o *Options) { o.Burst = false }},
		{rotation, "a new key is not accepted", Fail, made("first", 401), nil},
		{rotation, "a new key: POST /mcp → 503", Unknown, made("first", 503), nil},
		{rotation, "the successor of a key is not accepted", Fail, made("second", 401), nil},
		{rotation, "the successor of a key: POST /mcp → 503", Unknown, made("second", 503), nil},
	}
}
