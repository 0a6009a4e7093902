package gatehouse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Resource is a protected MCP server, as those see it who want to call it. Every
// URL that clients are told is made of it, never of what a request says.
type Resource struct {
	URL string // required: where clients reach the server, https://mcp.example.com/mcp; what a token's aud must be. RFC 8707 §2

	// AuthorizationServers are the issuers whose tokens are accepted, that of most
	// clients first: some look at no other. None: API keys only, and no metadata.
	AuthorizationServers []string

	// Scopes is the least that a client should ask for: what it can get later by
	// stepping up does not belong here, offline_access never does. It is what a
	// challenge without a reason of its own names.
	Scopes []string

	// Includes says which scopes a scope has in it: "files:write" may include
	// "files:read". What is included may include more.
	Includes map[string][]string

	Name          string // for people; empty: none
	Documentation string // URL of a page for developers; empty: none

	DPoPAlgorithms []string // of proofs, for the metadata; nil: it does not speak of DPoP. RFC 9449 §5.1
	RequireDPoP    bool     // the metadata says that tokens must be bound by DPoP. The verifier is what holds callers to it
	RequireMTLS    bool     // the metadata says that tokens must be bound to a client certificate. As RequireDPoP

	// Origins are the web pages that may call the server besides its own origin:
	// "https://inspector.example", or "*" for all. No page can send a credential
	// that it was not given, and cookies are never asked for.
	Origins []string

	Log *slog.Logger // why somebody was refused (debug), and what went wrong (error); nil: slog.Default
}

const metadataRoot = "/.well-known/oauth-protected-resource" // RFC 9728 §3

// Check says which field will not do.
func (r Resource) Check() error {
	u, err := identifier(r.URL)
	if err != nil {
		return fmt.Errorf("Resource.URL: %w", err)
	}
	for name, loop := range map[string][]string{"AuthorizationServers": r.AuthorizationServers, "Scopes": r.Scopes, "Origins": r.Origins} {
		for i, one := range loop {
			if slices.Contains(loop[:i], one) {
				return fmt.Errorf("Resource.%s: %q is there twice", name, one)
			}
		}
	}
	for _, issuer := range r.AuthorizationServers {
		if _, err := absolute(issuer); err != nil {
			return fmt.Errorf("Resource.AuthorizationServers: %q: %w", issuer, err)
		}
	}
	if err := r.checkScopes(); err != nil {
		return err
	}
	if r.Documentation != "" {
		if _, err := absolute(r.Documentation); err != nil {
			return fmt.Errorf("Resource.Documentation: %w", err)
		}
	}
	for _, origin := range r.Origins {
		if o, err := url.Parse(origin); origin != "*" && (err != nil || origin != o.Scheme+"://"+o.Host || o.Host == "" || strings.ToLower(origin) != origin) {
			return fmt.Errorf("Resource.Origins: %q: want \"*\" or scheme://host[:port] in lower case", origin)
		}
	}
	if slices.Contains(r.DPoPAlgorithms, "none") || slices.ContainsFunc(r.DPoPAlgorithms, func(a string) bool { return strings.HasPrefix(a, "HS") }) {
		return errors.New("Resource.DPoPAlgorithms: only asymmetric ones can prove anything")
	}
	if u.Path == metadataRoot || strings.HasPrefix(u.Path, metadataRoot+"/") {
		return errors.New("Resource.URL: that is where its metadata is")
	}
	return nil
}

func (r Resource) checkScopes() error {
	for _, s := range r.Scopes {
		if err := scopeToken(s); err != nil {
			return fmt.Errorf("Resource.Scopes: %w", err)
		}
		if s == "offline_access" { // it is about the client and the authorization server. SEP-2207
			return errors.New("Resource.Scopes: offline_access is no right at a resource")
		}
	}
	for s, included := range r.Includes {
		for _, one := range append([]string{s}, included...) {
			if err := scopeToken(one); err != nil {
				return fmt.Errorf("Resource.Includes: %w", err)
			}
		}
	}
	return nil
}

// scopeToken refuses what no scope may be: a challenge could not name it. RFC 6749 §3.3
func scopeToken(s string) error {
	if s == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }) {
		return fmt.Errorf("%q is no scope", s)
	}
	return nil
}

// identifier reads the identifier of a resource, which has one form only:
// clients and issuers compare it byte for byte. RFC 9728 §1.2, RFC 8707 §2
func identifier(text string) (*url.URL, error) {
	u, err := absolute(text)
	switch {
	case err != nil:
		return nil, err
	case u.RawQuery != "" || strings.Contains(text, "?"):
		return nil, errors.New("it has a query")
	case u.Host != strings.ToLower(u.Host):
		return nil, errors.New("the host is not in lower case")
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" || strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("a default port is left out")
	case strings.HasSuffix(u.Path, "/"):
		return nil, errors.New("it ends with a slash; clients compare, and the form without is the usual one")
	case u.Path != "" && !plainPath(u.Path) || u.EscapedPath() != u.Path:
		return nil, errors.New("the path is not in its plain form")
	}
	return u, nil
}

// plainPath says whether a path reads the same everywhere: plain characters, no
// empty, "." or ".." segment.
func plainPath(path string) bool {
	for _, c := range []byte(path) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/-._~", c) >= 0) {
			return false
		}
	}
	return !strings.Contains(path, "//") && !strings.Contains(path+"/", "/./") && !strings.Contains(path+"/", "/../")
}

// absolute reads a URL that others are told: https, or http on this machine.
func absolute(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("it is required")
	case err != nil:
		return nil, errors.New("it is no URL")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("want https://host/path")
	case u.User != nil:
		return nil, errors.New("it has a user or a password")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return nil, errors.New("it has a fragment")
	case strings.HasPrefix(text, "https://"):
		return u, nil
	case strings.HasPrefix(text, "http://") && loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("want https://; plain http:// is for this machine only")
}

func loopback(host string) bool {
	address, _ := netip.ParseAddr(host)
	return host == "localhost" || address.IsLoopback()
}

// MetadataURL returns where the resource's metadata is: the well-known path with
// the resource's own path after it. It is empty when there is none. RFC 9728 §3.1
func (r Resource) MetadataURL() string {
	u, err := identifier(r.URL)
	if err != nil || len(r.AuthorizationServers) == 0 {
		return ""
	}
	return u.Scheme + "://" + u.Host + metadataRoot + u.Path
}

// Metadata returns the resource's metadata, a JSON object, for whoever serves it
// by other means than [Protect]. Its error is that of [Resource.Check], or says
// that there are no authorization servers to tell of. RFC 9728 §2
func (r Resource) Metadata() ([]byte, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if len(r.AuthorizationServers) == 0 { // MCP 2026-07-28 authorization: at least one
		return nil, errors.New("Resource.AuthorizationServers: metadata tells of at least one")
	}
	document := struct {
		Resource      string   `json:"resource"`
		Servers       []string `json:"authorization_servers"`
		Scopes        []string `json:"scopes_supported,omitempty"`
		Methods       []string `json:"bearer_methods_supported"`
		Name          string   `json:"resource_name,omitempty"`
		Documentation string   `json:"resource_documentation,omitempty"`
		Algorithms    []string `json:"dpop_signing_alg_values_supported,omitempty"`
		DPoP          bool     `json:"dpop_bound_access_tokens_required,omitempty"`
		MTLS          bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	}{
		r.URL, r.AuthorizationServers, r.Scopes, []string{"header"}, r.Name, r.Documentation,
		r.DPoPAlgorithms, r.RequireDPoP, r.RequireMTLS,
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // nobody takes it for a page
	if err := enc.Encode(document); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}
