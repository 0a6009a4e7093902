package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/internal/jwks"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// Bounds of what a client says about itself.
const (
	maxRedirects = 32
	maxName      = 128 // bytes of a name; more is cut
)

// metadata is what counts of what a client says about itself: what is sealed in
// an id, kept in a row, and compared. RFC 7591 §2
type metadata struct {
	Name      string          `json:"n,omitzero"`
	Redirects []string        `json:"r,omitzero"`
	Grants    []string        `json:"g,omitzero"`
	Methods   []string        `json:"m,omitzero"`
	Native    bool            `json:"a,omitzero"`
	JWKS      json.RawMessage `json:"k,omitzero"`
	JWKSURI   string          `json:"u,omitzero"`
	Subject   string          `json:"d,omitzero"` // of its certificate
	Bound     bool            `json:"b,omitzero"` // its access tokens are bound to its certificate

	// One is random for each registration of a client that proves who it is. Others
	// that say the same of themselves have the same id; of these, nobody can.
	One string `json:"i,omitzero"`

	// Of static clients alone.
	Scopes      []string `json:"s,omitzero"`
	Secrets     []string `json:"h,omitzero"` // hashes, in hexadecimal digits
	Former      *former  `json:"o,omitzero"` // the secret before the one of Secrets
	Thumbprints []string `json:"t,omitzero"`
	Resources   []string `json:"w,omitzero"`
	Targets     []string `json:"x,omitzero"`
}

// public says whether the client cannot prove who it is.
func (m *metadata) public() bool { return len(m.Methods) == 1 && m.Methods[0] == oauth.AuthNone }

// source is where metadata comes from, and what may be in it there.
type source struct {
	document  bool
	redirects []string // private-use URIs of the operator
}

// The members that mean something, in no other spelling.
var metadataNames = []string{
	"client_id", "client_secret", "client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method",
	"token_endpoint_auth_methods_supported", "application_type", "jwks", "jwks_uri", "tls_client_auth_subject_dn",
	"tls_client_certificate_bound_access_tokens",
}

// offered are the grants that a stranger's client may use. Client credentials and
// token exchange are for those that an administrator made.
var offered = []string{oauth.AuthorizationCode, oauth.RefreshToken, oauth.DeviceCode, oauth.JWTBearer}

// read reads metadata. dropped says what was left out of it, a line each. Unknown
// members are nobody's business. RFC 7591 §2
func (s source) read(o *jws.Object) (m *metadata, dropped []string, err error) {
	m = &metadata{}
	if m.Name, err = text(o, "client_name"); err != nil {
		return nil, nil, err
	}
	m.Name = cleanName(m.Name)
	for _, step := range []func(*jws.Object, *metadata) ([]string, error){s.readRedirects, readGrants, readKeys, s.readMethods, readBound} {
		more, err := step(o, m)
		if err != nil {
			return nil, nil, err
		}
		dropped = append(dropped, more...)
	}
	return m, dropped, nil
}

// unfit is what is wrong with metadata, for the client's developer.
func unfit(format string, args ...any) error {
	return &oauth.Error{Code: oauth.InvalidMetadata, Description: fmt.Sprintf(format, args...), Ref: "GH-1408"}
}

// text returns a member that is a string; null is as if it were not there.
func text(o *jws.Object, name string) (string, error) {
	v, there := o.Get(name)
	if !there || jws.IsNull(v) {
		return "", nil
	}
	s, ok := jws.Text(v)
	if !ok {
		return "", unfit("%s has to be a string", name)
	}
	return s, nil
}

// texts returns a member that is an array of strings; nil: it is not there.
func texts(o *jws.Object, name string) ([]string, error) {
	v, there := o.Get(name)
	if !there || jws.IsNull(v) {
		return nil, nil
	}
	list, ok := jws.Texts(v)
	if !ok {
		return nil, unfit("%s has to be an array of strings", name)
	}
	return list, nil
}

// cleanName takes out of a name what would make a page show something else than it says.
func cleanName(name string) string {
	name = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.C, r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, name)), " ")
	for len(name) > maxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

// readRedirects keeps the URIs that may be registered. Clients register all that
// they might use in one request, so one that is refused does not sink the rest; but
// one has to be left. RFC 7591 §3.2.1 has the server replace what it does not like.
func (s source) readRedirects(o *jws.Object, m *metadata) (dropped []string, err error) {
	list, err := texts(o, "redirect_uris")
	if err != nil {
		return nil, err
	}
	if len(list) > maxRedirects {
		return nil, unfit("there are more than %d redirect_uris", maxRedirects)
	}
	for i, uri := range list {
		why := oauth.CheckRedirect(uri, s.redirects...)
		switch {
		case why != nil:
			dropped = append(dropped, fmt.Sprintf("redirect_uris[%d]: %v", i, why))
		case !slices.Contains(m.Redirects, uri):
			m.Redirects = append(m.Redirects, uri)
		}
	}
	if len(m.Redirects) == 0 && len(list) > 0 {
		return nil, &oauth.Error{Code: oauth.InvalidRedirectURI, Description: "none of the redirect_uris can be registered: " + dropped[0], Ref: "GH-1408"}
	}
	kind, err := text(o, "application_type")
	if err != nil {
		return nil, err
	}
	// What redirects to its user's machine runs there, whatever it calls itself.
	m.Native = kind == "native" || slices.ContainsFunc(m.Redirects, func(uri string) bool {
		kind, err := oauth.KindOfRedirect(uri)
		return err == nil && kind != oauth.RedirectWeb
	})
	return dropped, nil
}

// readGrants keeps those that there are. Who names none means the code, and will
// want to stay signed in. RFC 7591 §2
func readGrants(o *jws.Object, m *metadata) (dropped []string, err error) {
	asked, err := texts(o, "grant_types")
	if err != nil {
		return nil, err
	}
	for _, g := range asked {
		switch {
		case !slices.Contains(offered, g):
			dropped = append(dropped, "grant_types: one is not offered to clients that register themselves")
		case !slices.Contains(m.Grants, g):
			m.Grants = append(m.Grants, g)
		}
	}
	if len(asked) == 0 {
		m.Grants = []string{oauth.AuthorizationCode, oauth.RefreshToken}
	}
	if !slices.ContainsFunc(m.Grants, func(g string) bool { return g != oauth.RefreshToken }) {
		return nil, unfit("none of the grant_types is offered to clients that register themselves. There are: %s", strings.Join(offered, ", "))
	}
	responses, err := texts(o, "response_types")
	if err != nil {
		return nil, err
	}
	code := slices.Contains(m.Grants, oauth.AuthorizationCode)
	if code && len(responses) > 0 && !slices.Contains(responses, "code") {
		return nil, unfit("response_types has to have code")
	}
	if code && len(m.Redirects) == 0 {
		return nil, &oauth.Error{Code: oauth.InvalidRedirectURI, Description: "redirect_uris is required", Ref: "GH-1408"}
	}
	return dropped, nil
}

// readKeys reads by what a client can be recognized without a shared secret. A URL
// of keys is not fetched before the client uses them.
func readKeys(o *jws.Object, m *metadata) (dropped []string, err error) {
	if m.JWKSURI, err = text(o, "jwks_uri"); err != nil {
		return nil, err
	}
	if m.JWKSURI != "" {
		if kind, err := oauth.KindOfRedirect(m.JWKSURI); err != nil || kind != oauth.RedirectWeb {
			return nil, unfit("jwks_uri has to be an https URL")
		}
	}
	if v, there := o.Get("jwks"); there && !jws.IsNull(v) {
		if m.JWKSURI != "" {
			return nil, unfit("there are jwks and jwks_uri, and only one may be") // RFC 7591 §2
		}
		if _, err := jwks.Parse(v); err != nil {
			return nil, unfit("jwks is no JWK Set with a public key that can be used")
		}
		var short bytes.Buffer
		if err := json.Compact(&short, v); err != nil {
			return nil, unfit("jwks is no JSON")
		}
		m.JWKS = short.Bytes()
	}
	m.Subject, err = text(o, "tls_client_auth_subject_dn")
	return nil, err
}

// readBound reads whether a client wants its access tokens bound to its
// certificate. One that proves nothing has no certificate that its refresh tokens
// could be held to. RFC 8705 §3.4
func readBound(o *jws.Object, m *metadata) (dropped []string, err error) {
	switch v, there := o.Get("tls_client_certificate_bound_access_tokens"); {
	case !there, jws.IsNull(v), string(v) == "false":
		return nil, nil
	case string(v) != "true":
		return nil, unfit("tls_client_certificate_bound_access_tokens has to be true or false")
	case slices.Contains(m.Methods, oauth.AuthNone):
		return []string{"tls_client_certificate_bound_access_tokens: only for a client that proves who it is"}, nil
	}
	m.Bound = true
	return nil, nil
}

// version names what people are shown about a client.
func (m *metadata) version(kind Kind, domain string) string {
	shown, err := json.Marshal([]any{kind, domain, m.Name, m.Redirects})
	if err != nil {
		return "" // strings can always be written
	}
	sum := sha256.Sum256(shown)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// client is what metadata makes of an id.
func (m *metadata) client(id string, kind Kind, domain string) *Client {
	c := &Client{
		ID: id, Kind: kind, State: Known, Domain: domain, Version: m.version(kind, domain),
		Name: m.Name, RedirectURIs: m.Redirects, Grants: m.Grants, AuthMethods: m.Methods, Scopes: m.Scopes, Native: m.Native,
		Resources: m.Resources, Targets: m.Targets, Bound: m.Bound,
		Credentials: Credentials{
			SecretHashes: hashes(m.Secrets), JWKS: m.JWKS, JWKSURI: m.JWKSURI, Subject: m.Subject,
			Thumbprints: append(hashes(m.Thumbprints), certificates(m.JWKS)...),
		},
	}
	if m.Former != nil {
		c.Credentials.FormerHashes, c.Credentials.FormerUntil = hashes([]string{m.Former.Hash}), m.Former.Until
	}
	return c
}

// hashes reads hexadecimal digits; what is none is left out, and recognizes nobody.
func hashes(texts []string) (all [][32]byte) {
	for _, text := range texts {
		if b, err := hex.DecodeString(text); err == nil && len(b) == 32 {
			all = append(all, [32]byte(b))
		}
	}
	return all
}

// parseMetadata reads what was written by encode.
func parseMetadata(raw []byte) (*metadata, error) {
	var m metadata
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errors.New("what is kept of the client cannot be read") // err may repeat it
	}
	return &m, nil
}

func (m *metadata) encode() ([]byte, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write a client's metadata: %w", err)
	}
	return raw, nil
}
