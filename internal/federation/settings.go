package federation

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// Settings are one entry of auth.embedded.login, in plain values.
type Settings struct {
	Name         string // in URLs: lower-case letters, digits, '-' and '_'; required
	Title        string // for people; empty: the preset's
	House        string // whose door it is, for people: "Acme"; empty: "This server"
	Preset       string // of package idp; required
	Params       map[string]string
	Issuer       string // the exact one; empty: the preset's
	ClientID     string // required
	ClientSecret string // or a private key in PEM, for private_key_jwt (RFC 7523 §2.2); empty: a public client
	Scopes       []string
	Allow        Allow

	Authoritative []string // domains whose addresses the provider vouches for
	KeepTokens    bool     // some server wants the provider's tokens

	Private []string         // as safehttp.Policy.Allow
	Roots   []byte           // PEM: who vouches for the provider's servers; nil: the system's authorities
	HTTP    *http.Client     // instead of one made of Private and Roots; for tests
	Now     func() time.Time // nil: time.Now
}

// Problem is what is wrong with one setting.
type Problem struct {
	Code    string // GH-2001, or GH-2003: anybody could sign in
	Setting string // below the entry, such as "allow.domains"
	Text    string
}

// Problems are all that is wrong with settings.
type Problems []Problem

// Error implements error.
func (p Problems) Error() string {
	var all []string
	for _, one := range p {
		all = append(all, one.Setting+" "+one.Text)
	}
	return strings.Join(all, "; ")
}

// Check says what is wrong with settings: Problems, or nil. It asks nobody.
func Check(s *Settings) error {
	_, err := s.expand()
	return err
}

// Open returns the provider of these settings. It asks nobody; the error is Problems.
func Open(s *Settings) (Provider, error) {
	l, err := s.expand()
	if err != nil {
		return nil, err
	}
	b := base{settings: *s, login: l, title: s.Title}
	if b.title == "" {
		b.title = b.presetTitle()
	}
	if b.settings.House == "" {
		b.settings.House = "This server"
	}
	if b.http, err = s.client(); err != nil {
		return nil, Problems{{"GH-2001", "private", err.Error()}}
	}
	if b.key, err = clientKey(s.ClientSecret); err != nil {
		return nil, Problems{{"GH-2001", "client_secret", err.Error()}}
	}
	if l.Kind == idp.LoginGitHub {
		return newGitHub(b), nil
	}
	return &OIDC{base: b}, nil
}

// base is what all providers have.
type base struct {
	settings Settings
	login    *idp.Login
	title    string
	http     *http.Client
	key      *assertionKey // nil: the client has a secret, or nothing
}

// Name implements Provider.
func (b *base) Name() string { return b.settings.Name }

// Title implements Provider.
func (b *base) Title() string { return b.title }

func (b *base) presetTitle() string {
	if b.settings.Preset == "oidc" { // its title is of a kind, not of one
		return strings.ToUpper(b.settings.Name[:1]) + b.settings.Name[1:]
	}
	return idp.Find(b.settings.Preset).Title
}

func (b *base) now() time.Time {
	if b.settings.Now == nil {
		return time.Now()
	}
	return b.settings.Now()
}

// refuse makes a refusal. In text %s is the provider's title.
func (b *base) refuse(code, text string, cause error) *Refusal {
	return &Refusal{Code: code, Text: strings.ReplaceAll(text, "%s", b.title), Cause: cause}
}

func (s *Settings) client() (*http.Client, error) {
	if s.HTTP != nil {
		return s.HTTP, nil
	}
	p := safehttp.Policy{Allow: s.Private, KeepAlive: true}
	if s.Roots != nil {
		p.Roots = x509.NewCertPool()
		if !p.Roots.AppendCertsFromPEM(s.Roots) {
			return nil, errors.New("ca has no certificate in it")
		}
	}
	return p.Client()
}

var (
	nameForm  = pattern.Lazy(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	scopeForm = pattern.Lazy(`^[\x21\x23-\x5b\x5d-\x7e]{1,256}$`) // RFC 6749 §3.3
)

// expand returns how people sign in by these settings, or Problems.
func (s *Settings) expand() (*idp.Login, error) {
	var all Problems
	wrong := func(setting, format string, args ...any) {
		all = append(all, Problem{"GH-2001", setting, fmt.Sprintf(format, args...)})
	}
	if !nameForm().MatchString(s.Name) {
		wrong("name", "%.80q is not of lower-case letters, digits, '-' and '_', 63 at most: it stands in the redirect URI", s.Name)
	}
	p := idp.Find(s.Preset)
	if p == nil {
		wrong("preset", "%.80q is none. There are: %s", s.Preset, strings.Join(idp.Names(), ", "))
		return nil, all
	}
	l, problems := p.ExpandLogin(s.Params, s.Issuer)
	for _, q := range problems {
		all = append(all, Problem{"GH-2001", q.Setting, q.Text})
	}
	if s.ClientID == "" {
		wrong("client_id", "is missing: the id of the client that you made at %s", p.Title)
	}
	if s.ClientSecret == "" && (s.Preset == "google" || s.Preset == "github") {
		wrong("client_secret", "is missing: %s has no clients without one", p.Title)
	}
	if _, err := clientKey(s.ClientSecret); err != nil {
		wrong("client_secret", "%v", err)
	}
	for _, scope := range s.Scopes {
		if !scopeForm().MatchString(scope) {
			wrong("scopes", "%.80q is no scope", scope)
		}
	}
	for _, d := range s.Authoritative {
		if !idp.IsDomain(d) {
			wrong("authoritative", "%.80q is no domain like acme.com, in lower case", d)
		}
	}
	if _, err := s.client(); err != nil {
		wrong("private", "%v", err)
	}
	if l != nil {
		for _, q := range p.CheckAllow(l, &s.Allow) {
			all = append(all, Problem{"GH-2001", q.Setting, q.Text})
		}
		for _, q := range l.OpenToAll(s.Name, &s.Allow) {
			all = append(all, Problem{"GH-2003", q.Setting, q.Text})
		}
	}
	if len(all) > 0 {
		return nil, all
	}
	return l, nil
}
