package gatehouse

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// Bounds of an identity. Whoever has more is refused: rights that are left out
// would be missed by the rules that deny.
const (
	maxRights  = 1024 // of each kind
	maxRight   = 512  // bytes
	maxSubject = 512
	maxClient  = 2048 // a URL may be one
	maxActors  = 8
	maxName    = 256
)

// Identity returns what claims say by the map: those of a verified token, an
// introspection answer, or a provider's answer about its user. They are one JSON
// object, read strictly. The error is an [*Error], GH-1117 or GH-1101. Nothing of
// it is proven by having been read.
func (m *ClaimMap) Identity(claims []byte) (*Identity, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("ClaimMap.%w", err)
	}
	o, err := readClaims(claims)
	if err != nil {
		return nil, refuse("GH-1101", "The token is malformed.", "the claims are not strict JSON: %w", err)
	}
	return m.identity(o)
}

// check reports what is wrong with a map.
func (m *ClaimMap) check() error {
	for _, f := range m.fields() {
		for _, path := range f.paths {
			if path == "=" || slices.Contains(strings.Split(path, "."), "") && !strings.ContainsAny(path, "/=") {
				return fmt.Errorf("%s has the path %q", f.name, path)
			}
		}
	}
	return nil
}

// field is one part of a map, with its default.
type field struct {
	name  string
	paths []string
}

func (m *ClaimMap) fields() []field {
	return []field{
		{"Subject", m.subject()}, {"Client", m.client()}, {"Tenant", m.Tenant}, {"Scopes", m.scopes()},
		{"Name", m.Name}, {"Email", m.Email},
		{"Permissions", m.Permissions}, {"Roles", m.roles()}, {"Groups", m.groups()}, {"GroupsOmitted", m.GroupsOmitted},
	}
}

// The profile of RFC 9068. A list that is empty but not nil asks for nothing.
func (m *ClaimMap) subject() []string { return or(m.Subject, "sub") }
func (m *ClaimMap) client() []string  { return or(m.Client, "client_id") }
func (m *ClaimMap) scopes() []string  { return or(m.Scopes, "scope") }
func (m *ClaimMap) roles() []string   { return or(m.Roles, "roles") }
func (m *ClaimMap) groups() []string  { return or(m.Groups, "groups") }

func or(paths []string, path string) []string {
	if paths == nil {
		return []string{path}
	}
	return paths
}

// identity applies a map. The error is an *Error, GH-1117.
func (m *ClaimMap) identity(claims *jws.Object) (*Identity, error) {
	id := &Identity{Claims: claims.Raw()}
	for _, part := range []func(*jws.Object, *Identity) error{m.readWho, m.readRights, m.readGroups, readRest} {
		if err := part(claims, id); err != nil {
			return nil, refuse("GH-1117", "The token does not say clearly whom it stands for.", "%w", err)
		}
	}
	m.readPeople(claims, id)
	return id, nil
}

// readWho reads who is calling.
func (m *ClaimMap) readWho(claims *jws.Object, id *Identity) error {
	id.Issuer, _ = textClaim(claims, "iss")
	for _, f := range [...]struct {
		name  string
		paths []string
		most  int
		to    *string
	}{
		{"subject", m.subject(), maxSubject, &id.Subject}, {"client", m.client(), maxClient, &id.Client}, {"tenant", m.Tenant, maxSubject, &id.Tenant},
	} {
		one, err := single(claims, f.paths)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if len(one) > f.most || !printable(one) {
			return fmt.Errorf("the %s is too long, or has control characters or invalid text", f.name)
		}
		*f.to = one
	}
	if id.Subject == "" {
		return fmt.Errorf("the claims have no subject: none of %s is there", quoted(m.subject()))
	}
	switch {
	case slices.ContainsFunc(m.Service, func(r ClaimRule) bool { return r.matches(claims) }):
		id.Kind = KindService
	case id.Subject == id.Client: // no user took part. RFC 9068 §2.2
		id.Kind = KindService
	case len(m.Service) > 0:
		id.Kind = KindUser
	}
	return nil
}

// single returns the one text that the first of several paths leads to, empty if
// there is none. Several are a contradiction: an identity is one.
func single(claims *jws.Object, paths []string) (string, error) {
	for _, path := range paths {
		var one string
		for i, f := range find(claims, path) {
			s, ok := f.Name, f.Value == nil
			if !ok {
				s, ok = oneText(f.Value, path)
			}
			switch {
			case !ok:
				return "", fmt.Errorf("%q is no text", path)
			case i > 0 && s != one:
				return "", fmt.Errorf("%q has several values that differ", path)
			}
			one = s
		}
		if one != "" {
			return one, nil
		}
	}
	return "", nil
}

// oneText reads a text, or a whole number in plain digits as one: some providers
// count their users and customers. Claims of the standard are texts alone. RFC 7519 §4.1
func oneText(v []byte, path string) (string, bool) {
	s, ok := jws.Text(v)
	if ok || slices.Contains(claimNames, path) {
		return s, ok
	}
	if len(v) > 20 || strings.Trim(string(v), "0123456789") != "" {
		return "", false
	}
	return string(v), true
}

// readRest reads what has one place in every token.
func readRest(claims *jws.Object, id *Identity) error {
	if v, there := claims.Get("jti"); there && !jws.IsNull(v) {
		jti, ok := jws.Text(v)
		if !ok || len(jti) > maxSubject || !printable(jti) {
			return errors.New(`"jti" is no text, too long, or has control characters`)
		}
		id.TokenID = jti
	}
	for _, name := range [...]string{"iat", "exp", "auth_time"} {
		at := math.NaN()
		if v, there := claims.Get(name); there && !jws.IsNull(v) {
			var ok bool
			if at, ok = jws.Number(v); !ok || at < 0 || at > lastSecond {
				return fmt.Errorf("%q is not a time", name)
			}
		}
		switch t := instant(at); name {
		case "iat":
			id.Issued = t
		case "exp":
			id.Expires = t
		default:
			id.SignedIn = t
		}
	}
	var err error
	id.Actor, err = actors(claims)
	return err
}

// actors reads who acts for the caller, nearest first. RFC 8693 §4.1
func actors(claims *jws.Object) ([]string, error) {
	v, there := claims.Get("act")
	var list []string
	for there && !jws.IsNull(v) {
		o, err := jws.ReadObject(v, claimNames)
		if err != nil {
			return nil, fmt.Errorf(`"act" is not a JSON object that is understood: %w`, err)
		}
		sub, _ := textClaim(o, "sub")
		client, _ := textClaim(o, "client_id")
		who := cmp.Or(sub, client)
		if who == "" || len(who) > maxClient || !printable(who) || len(list) == maxActors {
			return nil, errors.New(`"act" names nobody, or too many`)
		}
		list = append(list, who)
		v, there = o.Get("act")
	}
	return list, nil
}

// readPeople reads what is for people. It decides nothing, so what cannot be
// shown is left out.
func (m *ClaimMap) readPeople(claims *jws.Object, id *Identity) {
	if name, err := single(claims, m.Name); err == nil && len(name) <= maxName && printable(name) {
		id.Name = name
	}
	email, err := single(claims, m.Email)
	if v, _ := claims.Get("email_verified"); err != nil || string(v) != "true" { // "true" and 1 are not: OpenID Connect Core §5.1
		return
	}
	if name, domain, ok := strings.Cut(email, "@"); ok && name != "" && domain != "" && !strings.ContainsAny(domain, "@, ;<>") &&
		len(email) <= maxName && printable(email) {
		id.Email = email
	}
}
