package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// A verifier finds its issuer's keys by itself.
func ExampleJWTVerifier() {
	auth0 := &gatehouse.JWTVerifier{
		Issuer:   "https://acme.us.auth0.com/",
		Audience: "https://mcp.example.com/mcp",
		Keys:     &gatehouse.RemoteKeys{Issuer: "https://acme.us.auth0.com/"},
		Types:    []string{"at+jwt", "JWT"}, // what this provider sends
		Claims: gatehouse.ClaimMap{
			Client:      []string{"client_id", "azp"},
			Permissions: []string{"permissions"},
			Tenant:      []string{"org_id"},
		},
	}
	fmt.Println(auth0.Check())
	fmt.Println((&gatehouse.JWTVerifier{Issuer: "https://acme.us.auth0.com/", Keys: auth0.Keys}).Check())
	// Output:
	// <nil>
	// JWTVerifier.Audience is empty: a token for any other service would be accepted
}

// Strangers read the description of a refusal, operators its cause.
func ExampleJWTVerifier_Verify() {
	v := &gatehouse.JWTVerifier{Issuer: theirURL, Audience: ourURL, Keys: issuerKeys(), Now: func() time.Time { return noon }}

	who, err := v.Verify(context.Background(), &gatehouse.Credential{Scheme: "Bearer", Text: mint(claimsWith())})
	fmt.Println(who.Subject, who.Scopes, err)

	_, err = v.Verify(context.Background(), &gatehouse.Credential{Scheme: "Bearer", Text: mint(claimsWith(obj{"aud": "https://mcp.example.com"}))})
	fmt.Println(err)
	fmt.Println(errors.Unwrap(err))
	// Output:
	// ada [tools:read tools:write] <nil>
	// GH-1104: The token is not for this server.
	// aud "https://mcp.example.com" ≠ this server's resource "https://mcp.example.com/mcp" (alike as far as "https://mcp.example.com")
}

// Explain says what each check finds, also behind one that fails.
func ExampleJWTVerifier_Explain() {
	v := &gatehouse.JWTVerifier{Issuer: theirURL, Audience: ourURL, Now: func() time.Time { return noon }} // offline: no keys
	found, _, err := v.Explain(context.Background(), &gatehouse.Credential{Text: mint(claimsWith(obj{"exp": noon.Add(-time.Hour).Unix()}))})
	for _, f := range found {
		if !f.OK {
			fmt.Println(f.Check, f.Code, f.Text)
		}
	}
	fmt.Println(err)
	// Output:
	// key  the issuer's keys are not known here (offline)
	// signature  the issuer's keys are not known here (offline)
	// time GH-1109 expired 60 minutes ago (exp 2026-11-27T11:00:00Z, our clock 2026-11-27T12:00:00Z, skew allowed 1m0s)
	// <nil>
}

// One DPoP is shared by all verifiers of a server, so that a proof counts once.
func ExampleDPoP() {
	dpop := &gatehouse.DPoP{Algorithms: []string{"ES256"}, RequireNonce: true}
	one := &gatehouse.JWTVerifier{
		Issuer: "https://a.example", Audience: "https://mcp.example.com/mcp", Keys: &gatehouse.RemoteKeys{Issuer: "https://a.example"},
		DPoP: dpop, RequireDPoP: true,
	}
	two := &gatehouse.JWTVerifier{
		Issuer: "https://b.example", Audience: "https://mcp.example.com/mcp", Keys: &gatehouse.RemoteKeys{Issuer: "https://b.example"},
		DPoP: dpop,
	}
	both := gatehouse.AnyOf(one, two)
	_, err := both.Verify(context.Background(), &gatehouse.Credential{Scheme: "DPoP", Text: "eyJhbGciOiJub25lIn0.e30.", Method: http.MethodPost, URL: "https://mcp.example.com/mcp"})
	fmt.Println(err != nil, one.Check(), len(dpop.Nonce()) > 0)
	// Output: true <nil> true
}
