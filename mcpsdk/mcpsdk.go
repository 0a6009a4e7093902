// Package mcpsdk protects servers made with the official Go SDK,
// github.com/modelcontextprotocol/go-sdk: their handlers see who is calling,
// and their sessions belong to whom they were opened by.
package mcpsdk

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
)

// extraIdentity is where TokenInfo.Extra has the *gatehouse.Identity.
const extraIdentity = "gatehouse"

// Options of a [Handler]. The zero value works.
type Options struct {
	HTTP *mcp.StreamableHTTPOptions // nil: the SDK's defaults

	// Need returns all scopes that an operation needs, as gatehouse.RequireScopes
	// wants it; nil: every caller may do everything.
	Need func(op *gatehouse.Operation) []string
}

// Handler returns a handler that serves server over streamable HTTP to callers
// whom v accepts, and the metadata of r. It adds [Middleware] to server, so it
// is to be called once for each. Its error is that of [gatehouse.Protect].
func Handler(server *mcp.Server, r gatehouse.Resource, v gatehouse.Verifier, o *Options) (http.Handler, error) {
	if server == nil {
		return nil, errors.New("server: it is required")
	}
	if o == nil {
		o = &Options{}
	}
	next := Wrap(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, o.HTTP))
	if o.Need != nil {
		next = gatehouse.RequireScopes(next, o.Need)
	}
	h, err := gatehouse.Protect(next, r, v)
	if err != nil {
		return nil, err
	}
	server.AddReceivingMiddleware(Middleware)
	return h, nil
}

// Wrap returns a handler that hands the caller whom [gatehouse.Protect] let in
// on to a handler of the SDK, as the auth.TokenInfo that the SDK binds sessions
// to. It has to stand inside Protect: Protect(Wrap(h), resource, verifier); from
// elsewhere nobody comes through.
func Wrap(next http.Handler) http.Handler {
	// Only the SDK can put a TokenInfo into a context, and only from a header.
	carry := auth.RequireBearerToken(verified, &auth.RequireBearerTokenOptions{
		AllowMissingExpiration: true, ClockSkew: math.MaxInt64 / 2, // Protect has judged the time already, with the issuer's own leeway
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole, _ := r.Context().Value(requestKey{}).(*http.Request)
		next.ServeHTTP(w, whole.WithContext(r.Context()))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := gatehouse.FromContext(r.Context()); !ok {
			http.Error(w, "nobody was let in", http.StatusInternalServerError)
			return
		}
		shim := &http.Request{Header: http.Header{"Authorization": {"Bearer verified"}}}
		carry.ServeHTTP(w, shim.WithContext(context.WithValue(r.Context(), requestKey{}, r)))
	})
}

type requestKey struct{}

// verified tells the SDK whom Protect let in. Nothing is judged here.
func verified(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	id, ok := gatehouse.FromContext(ctx)
	if !ok {
		return nil, errors.New("nobody was let in")
	}
	return TokenInfo(id), nil
}

// TokenInfo returns an identity in the SDK's form, with the identity itself in
// its Extra. UserID is [UserID]; Scopes are what the credential has.
func TokenInfo(id *gatehouse.Identity) *auth.TokenInfo {
	return &auth.TokenInfo{
		UserID: UserID(id), Scopes: id.Scopes, Expiration: id.Expires, Extra: map[string]any{extraIdentity: id},
	}
}

// UserID names a caller among those of all issuers and tenants: no two have the
// same. A subject alone does not, since each issuer gives out its own.
func UserID(id *gatehouse.Identity) string {
	return url.QueryEscape(id.Issuer) + " " + url.QueryEscape(id.Tenant) + " " + id.Subject // the first two have no blank
}

// Identity returns who sent a request of the SDK's, as the transport says; false
// when it came another way, such as stdio.
func Identity(extra *mcp.RequestExtra) (*gatehouse.Identity, bool) {
	if extra == nil || extra.TokenInfo == nil {
		return nil, false
	}
	id, ok := extra.TokenInfo.Extra[extraIdentity].(*gatehouse.Identity)
	return id, ok && id != nil
}

// Middleware lets handlers find who sent the request at hand by
// [gatehouse.FromContext]. Without it they find who opened the session: the SDK
// runs all of a session under the context of its first request, and a token may
// have been exchanged for one with other scopes since.
//
// A refusal that a tool returns ([gatehouse.Need]) also gets the challenge into
// the result's _meta, as mcp/www_authenticate, where ChatGPT looks for it.
func Middleware(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		id, _ := Identity(req.GetExtra()) // nil: then nobody is there, whoever opened the session
		result, err := next(gatehouse.NewContext(ctx, id), method, req)
		if tool, ok := result.(*mcp.CallToolResult); ok && tool != nil && tool.IsError {
			challenge(tool)
		}
		return result, err
	}
}

func challenge(tool *mcp.CallToolResult) {
	refused, ok := errors.AsType[*gatehouse.Error](tool.GetError())
	if !ok || refused.Challenge == nil {
		return
	}
	if tool.Meta == nil {
		tool.Meta = mcp.Meta{}
	}
	tool.Meta["mcp/www_authenticate"] = []string{refused.Challenge.String()}
}
