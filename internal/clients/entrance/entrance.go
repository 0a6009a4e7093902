// Package entrance finds out how an MCP server is entered, by asking the server:
// with nothing, with a sign-in, or with a key. Nobody has to know it beforehand,
// and no credential is sent.
package entrance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// Entrance is what a server says of how it is entered.
type Entrance struct {
	Way      clients.Way // Open, ByOAuth or ByKey
	Issuer   string      // of the authorization server that most clients look at, with ByOAuth
	Register []string    // how it lets clients in: cimd, dcr; nil with Issuer: it could not be asked
	Notes    []string    // what is odd about it
}

// Error says that there is no MCP server to be entered.
type Error struct {
	Reason string
	Silent bool  // nobody answered
	Cause  error // why nobody did; nil: somebody did
}

// Error implements error.
func (e *Error) Error() string { return e.Reason }

// greeting begins a session of the older era; servers of the newer one know it too.
const greeting = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},` +
	`"clientInfo":{"name":"gatehouse-connect","version":"1"}}}`

// Ask asks the server at a URL.
func Ask(ctx context.Context, f safehttp.Fetcher, server string) (*Entrance, error) {
	a, err := post(ctx, f, server)
	var to *safehttp.RedirectError
	switch {
	case errors.As(err, &to):
		return nil, &Error{Reason: fmt.Sprintf("it redirects to %.200q, and clients do not follow. Give the URL that it leads to", to.Location)}
	case err != nil:
		return nil, &Error{Reason: safehttp.Reason(err), Silent: true, Cause: err}
	}
	switch {
	case a.Status == http.StatusUnauthorized:
		return closed(ctx, f, server, a.Header), nil
	case a.Status >= 200 && a.Status < 300 && a.Type != "text/html":
		leave(ctx, f, server, a.Header.Get("Mcp-Session-Id"))
		return &Entrance{Way: clients.Open}, nil
	case a.Type == "text/html":
		return nil, &Error{Reason: fmt.Sprintf("a web page answered (status %d), not an MCP server: another server replied, or the path is wrong", a.Status)}
	case a.Status == http.StatusNotFound:
		return nil, &Error{Reason: "it answers 404: the path is wrong. Most servers are at /mcp"}
	}
	return nil, &Error{Reason: fmt.Sprintf("it answers with status %d, neither as an MCP server nor as one that asks for a credential", a.Status)}
}

func post(ctx context.Context, f safehttp.Fetcher, server string) (*safehttp.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server, strings.NewReader(greeting))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	return f.Do(r)
}

// leave ends a session that nobody needs. What becomes of it is the server's business.
func leave(ctx context.Context, f safehttp.Fetcher, server, session string) {
	if session == "" {
		return
	}
	if r, err := http.NewRequestWithContext(ctx, http.MethodDelete, server, nil); err == nil {
		r.Header.Set("Mcp-Session-Id", session)
		_, _ = f.Do(r)
	}
}

// closed looks for the server's metadata: where there is none, there are only keys.
func closed(ctx context.Context, f safehttp.Fetcher, server string, h http.Header) *Entrance {
	out := &Entrance{Way: clients.ByKey}
	for _, at := range places(server, h) {
		raw, err := f.Get(ctx, at)
		if err != nil {
			continue
		}
		var m struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
		}
		if json.Unmarshal(raw, &m) != nil || len(m.Servers) == 0 {
			continue
		}
		if _, same := oauth.MatchResource([]string{m.Resource}, server); !same { // RFC 9728 §3.3
			out.Notes = append(out.Notes, fmt.Sprintf("Its metadata at %.300q is of %.200q, not of this URL: clients refuse it.", at, m.Resource))
			continue
		}
		out.Way, out.Issuer, out.Notes = clients.ByOAuth, m.Servers[0], nil
		out.registers(ctx, f)
		return out
	}
	return out
}

func (e *Entrance) registers(ctx context.Context, f safehttp.Fetcher) {
	m, err := discovery.Fetch(ctx, f, e.Issuer)
	if err != nil {
		e.Notes = append(e.Notes, fmt.Sprintf("Its authorization server %.200q could not be asked from here.", e.Issuer)) // a stranger's text
		return
	}
	e.Register = []string{}
	if m.ClientIDMetadataDocuments {
		e.Register = append(e.Register, clients.CIMD)
	}
	if m.RegistrationEndpoint != "" {
		e.Register = append(e.Register, clients.DCR)
	}
	if !slices.Contains(m.CodeChallengeMethods, oauth.S256) {
		e.Notes = append(e.Notes, "Its authorization server does not say that it knows PKCE with S256: clients refuse it.")
	}
}

var metadataParam = pattern.Lazy(`(?i)[ ,]resource_metadata="([^"\\]{1,1000})"`)

// places returns where the metadata of a protected server may be: where its
// challenge says, and where the specification has it. RFC 9728 §3.1, §5.1
func places(server string, h http.Header) []string {
	u, err := url.Parse(server)
	if err != nil {
		return nil
	}
	var all []string
	for _, challenge := range h.Values("WWW-Authenticate") {
		if m := metadataParam().FindStringSubmatch(challenge); m != nil {
			if at, err := url.Parse(m[1]); err == nil && at.Scheme == u.Scheme && at.Host == u.Host { // a stranger's would be of somebody else's server
				all = append(all, m[1])
			}
		}
	}
	const known = "/.well-known/oauth-protected-resource"
	base := u.Scheme + "://" + u.Host + known
	if path := strings.TrimSuffix(u.EscapedPath(), "/"); path != "" {
		all = append(all, base+path)
	}
	all = append(all, base)
	var once []string
	for _, at := range all {
		if !slices.Contains(once, at) {
			once = append(once, at)
		}
	}
	return once
}
