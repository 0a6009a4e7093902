package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// explaining is what token explain was asked.
type explaining struct {
	issuer   issuerFlags
	preset   string
	resource string
	server   string
	jwks     string
	fetch    bool
}

func (a *app) tokenExplain() *cobra.Command {
	q := &explaining{}
	c := &cobra.Command{
		Use:   "explain JWT | -",
		Short: "Say what each check makes of an access token",
		Long: "Show what is in an access token and what each check says of it, without asking anybody: the token does not leave\n" +
			"this machine, and its signature is not shown. It is judged by the issuer of a configuration (-c) that it names, or\n" +
			"by a preset (--preset, with its parameters). The signature is verified only with the issuer's keys: --jwks FILE, or\n" +
			"--fetch, which gets them from the issuer. It ends with 1 when the token would be refused.",
		Example: "  gatehouse token explain - < token.txt\n" +
			"  gatehouse token explain -c gatehouse.yaml - < token.txt\n" +
			"  gatehouse token explain --preset auth0 --domain acme.us.auth0.com --resource https://mcp.acme.com/mcp --fetch -",
		Args:                  exactly("a JWT, or - for standard input"),
		DisableFlagsInUseLine: true,
		RunE:                  func(c *cobra.Command, args []string) error { return a.explainToken(c.Context(), q, args[0]) },
	}
	q.issuer.add(c)
	f := c.Flags()
	f.StringVar(&q.preset, "preset", "", "judge it by the preset `NAME`")
	f.StringVar(&q.resource, "resource", "", "public `URL` of the MCP server that it has to be for")
	f.StringVar(&q.server, "server", "", "with -c: the `NAME` of the server, if there are several")
	f.StringVar(&q.jwks, "jwks", "", "`FILE` with the issuer's JWK Set")
	f.BoolVar(&q.fetch, "fetch", false, "get the issuer's keys from the issuer")
	_ = c.RegisterFlagCompletionFunc("preset", presetNames)
	_ = c.RegisterFlagCompletionFunc("server", a.completeServers)
	_ = c.MarkFlagFilename("jwks", "json")
	return c
}

// maxTokenText bounds what is read, in bytes.
const maxTokenText = 64 << 10

// explained is what token explain says, for scripts.
type explained struct {
	Accepted bool            `json:"accepted"` // as far as it could be looked at
	Verified bool            `json:"verified"` // its signature was, with the issuer's keys
	Code     string          `json:"code,omitempty"`
	Issuer   string          `json:"issuer,omitempty"` // that it was judged by
	Resource string          `json:"resource,omitempty"`
	Header   json.RawMessage `json:"header,omitempty"`
	Claims   json.RawMessage `json:"claims,omitempty"`
	Checks   []checked       `json:"checks"`
	Identity *unproven       `json:"identity,omitempty"`
}

type checked struct {
	Check  string `json:"check"`
	Result string `json:"result"` // ok, fail or skipped
	Code   string `json:"code,omitempty"`
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"`
}

// unproven is who the claims say it is.
type unproven struct {
	Subject       string   `json:"subject"`
	Kind          string   `json:"kind,omitempty"`
	Client        string   `json:"client,omitempty"`
	Tenant        string   `json:"tenant,omitempty"`
	Scopes        []string `json:"scopes"` // null: the token does not speak of them; so with the next
	Permissions   []string `json:"permissions"`
	Roles         []string `json:"roles"`
	Groups        []string `json:"groups"`
	GroupsOmitted bool     `json:"groups_omitted,omitempty"`
}

func (a *app) explainToken(ctx context.Context, q *explaining, arg string) error {
	text, err := a.tokenText(arg)
	if err != nil {
		return err
	}
	issuers, p, u, err := a.judgeOf(q, text)
	if err != nil {
		return err
	}
	out := explained{Resource: q.resource, Checks: []checked{}}
	out.Header, out.Claims = parts(text)
	if u == nil {
		out.nobody(ctx, issuers, q.resource, text)
	} else {
		out.Issuer = u.Name
		v, err := a.explainer(q, u)
		if err != nil {
			return err
		}
		ctx, stop := a.within(ctx, commandWait)
		defer stop()
		findings, who, err := v.Explain(ctx, &gatehouse.Credential{Text: text})
		if err != nil {
			return usage("%v", err)
		}
		out.add(findings, p, q.resource)
		out.Verified = slices.ContainsFunc(out.Checks, func(c checked) bool { return c.Check == "signature" && c.Result == "ok" })
		if who != nil {
			out.Identity = &unproven{who.Subject, string(who.Kind), who.Client, who.Tenant, who.Scopes, who.Permissions, who.Roles, who.Groups, who.GroupsOmitted}
		}
	}
	if a.json {
		if err := a.object(out); err != nil {
			return err
		}
	} else {
		a.showExplained(&out, q)
	}
	if !out.Accepted {
		return &fault{exit: exitFailure} // all was said
	}
	return nil
}

// noToken says that an API key was given where a token belongs. To refuse it as
// an opaque token would change nothing, and look as if it had.
func (a *app) noToken(key string) error {
	id, err := apikey.Parse(key)
	if err != nil {
		id = "ID"
	}
	return usage("that is an API key of Gatehouse, not a token. See: gatehouse key show%s %s; refuse it: gatehouse key revoke%[1]s %s", a.place(), id)
}

// tokenText reads the token.
func (a *app) tokenText(arg string) (string, error) {
	text := arg
	if arg == "-" {
		raw, err := io.ReadAll(io.LimitReader(a.in, maxTokenText+1))
		if err != nil {
			return "", fmt.Errorf("read standard input: %w", err)
		}
		if len(raw) > maxTokenText {
			return "", usage("standard input has more than 64 KiB; a token is less")
		}
		text = string(raw)
	} else {
		a.warn("The token is in your shell's history now, and was in the list of processes: it works until it ends. Better: - instead of it, and < token.txt")
	}
	text = strings.TrimSpace(text)
	for _, scheme := range []string{"Authorization:", "Bearer ", "DPoP "} {
		if len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
			text = strings.TrimSpace(text[len(scheme):])
		}
	}
	if apikey.Is(text) {
		return "", a.noToken(text)
	}
	if text == "" {
		return "", usage("there is no token. Give it on standard input: gatehouse token explain%s - < token.txt", a.place())
	}
	return text, nil
}

// judgeOf finds by which issuer a token is judged; nil: by none. issuers are
// those that there are.
func (a *app) judgeOf(q *explaining, text string) (issuers []config.Issuer, p *idp.Preset, u *config.Issuer, err error) {
	iss := issOf(text)
	if a.file != "" {
		c, err := a.load()
		if err != nil {
			return nil, nil, nil, err
		}
		if err := q.whichServer(c); err != nil {
			return nil, nil, nil, err
		}
		for i := range c.Auth.Issuers {
			if s := &c.Auth.Issuers[i]; s.Issuer == iss || slices.Contains(s.AlsoIssuer, iss) {
				return c.Auth.Issuers, idp.Find(s.Preset), s, nil
			}
		}
		return c.Auth.Issuers, nil, nil, nil
	}
	if p, err = findPreset(orElse(q.preset, config.DefaultPreset)); err != nil {
		return nil, nil, nil, err
	}
	if q.preset == "" && q.issuer.issuer == "" {
		q.issuer.issuer = iss // it is what it says: only whether it would do otherwise is asked
	}
	if p.Refusal != "" && p.Unless == "" || q.issuer.issuer == "" && q.preset == "" {
		return nil, p, nil, nil
	}
	u, err = q.issuer.read(p)
	if err != nil {
		return nil, nil, nil, err
	}
	issuers = []config.Issuer{*u}
	if iss != u.Issuer && !slices.Contains(u.AlsoIssuer, iss) && p.OfForeign(u.Params, iss) != nil {
		return issuers, p, nil, nil
	}
	return issuers, p, u, nil
}

// whichServer finds the resource that a token has to be for.
func (q *explaining) whichServer(c *config.Config) error {
	var names []string
	for i := range c.Servers {
		s := &c.Servers[i]
		names = append(names, s.Name)
		if q.resource == "" && (s.Name == q.server || q.server == "" && len(c.Servers) == 1) {
			q.resource = server.Resource(c, s, c.Server.Listen)
		}
	}
	if q.resource == "" {
		return usage("for which server? Say --server %s", strings.Join(names, " or --server "))
	}
	return nil
}

// explainer makes the verifier that explains.
func (a *app) explainer(q *explaining, u *config.Issuer) (*gatehouse.JWTVerifier, error) {
	var keys gatehouse.KeySet
	switch {
	case q.jwks != "":
		raw, err := os.ReadFile(q.jwks)
		if err != nil {
			return nil, usage("--jwks: %v", err)
		}
		if keys, err = gatehouse.ParseKeys(raw); err != nil {
			return nil, usage("--jwks %s: %v", q.jwks, err)
		}
	case q.fetch:
		client, err := server.IssuerClient(u)
		if err != nil {
			return nil, usage("%v", err)
		}
		remote := server.RemoteKeys(u, client)
		if err := remote.Check(); err != nil {
			return nil, usage("%v", err)
		}
		keys = remote
	}
	v := server.JWTVerifier(u, q.resource, keys)
	if q.resource == "" && !v.InsecureNoAudience { // nobody said whom it has to be for
		v.Audience, v.Audiences, v.InsecureNoAudience, v.Clients = "", nil, true, []string{"*"}
	}
	v.Now = a.now
	return v, nil
}

// add notes what the checks say, and what to do about it.
func (e *explained) add(findings []gatehouse.Finding, p *idp.Preset, resource string) {
	e.Accepted = true
	for _, f := range findings {
		c := checked{Check: f.Check, Result: "ok", Code: f.Code, Text: server.InSettings(f.Text)}
		switch {
		case f.Skipped:
			c.Result = "skipped"
		case f.Check == "audience" && f.OK && resource == "":
			c.Result, c.Text = "skipped", "for which server? Say --resource URL, or -c FILE"
		case !f.OK:
			c.Result = "fail"
			if p != nil {
				c.Fix = p.Hint(f.Code, orElse(resource, "the server's URL"))
			}
			if e.Accepted {
				e.Accepted, e.Code = false, f.Code
			}
		}
		e.Checks = append(e.Checks, c)
	}
}

// nobody notes what is said of a token that no issuer would take.
func (e *explained) nobody(ctx context.Context, issuers []config.Issuer, resource, text string) {
	_, err := (&server.Unclaimed{Issuers: issuers, Resource: orElse(resource, "the server's URL")}).Verify(ctx, &gatehouse.Credential{Text: text})
	c := checked{Check: "issuer", Result: "fail", Code: "GH-1103", Text: fmt.Sprintf("iss %q is not that of an issuer that is configured", issOf(text))}
	var refusal *gatehouse.Error
	if errors.As(err, &refusal) && refusal.Cause != nil {
		c.Code, c.Text = refusal.Code, refusal.Cause.Error()
	}
	if len(e.Header) == 0 {
		c.Check = "form"
	}
	var names []string
	for i := range issuers {
		names = append(names, issuers[i].Issuer)
	}
	if c.Code == "GH-1103" && len(names) > 0 {
		c.Fix = "Configured: " + strings.Join(names, ", ") + ". Issuers are compared byte for byte."
	}
	e.Checks, e.Code = append(e.Checks, c), c.Code
}

// parts are the header and the claims of a JWT as they are written; nil: there is
// no such part that can be read.
func parts(text string) (header, claims json.RawMessage) {
	first, _, dots := strings.Cut(text, ".")
	if raw, err := base64.RawURLEncoding.DecodeString(first); err == nil && dots {
		header = valid(raw)
	}
	if t, err := jws.Read(text); err == nil {
		claims = valid(t.Payload)
	}
	return header, claims
}

func valid(raw []byte) json.RawMessage {
	if !json.Valid(raw) {
		return nil
	}
	return raw
}

// issOf is the issuer that a token names, "" if it names none.
func issOf(text string) string {
	_, claims := parts(text)
	var said struct {
		Issuer string `json:"iss"`
	}
	_ = json.Unmarshal(claims, &said)
	return said.Issuer
}
