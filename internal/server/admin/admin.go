// Package admin is the door through which an installation is managed: one noun
// per file, JSON in and out. It has no authentication of its own; whoever can
// reach it is the operator, so it is served on a private socket, or to the
// command that opened the store itself, and nowhere else.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// Admin manages keys, tenants and the store. Every field is required unless
// it says otherwise: without Audit every change is refused.
type Admin struct {
	Keys     *apikey.Service
	Judge    Judge
	Tenants  *tenant.Service
	Database Database
	Signing  SigningKeys
	Tools    Tools
	Config   Configuration          // nil: no server runs
	Bans     Bans                   // of the running server; nil: none runs
	Tokens   *token.Service         // revokes access tokens
	Clients  ClientsOf              // OAuth clients
	Grants   func() *grant.Service  // what people allowed them
	People   func() *login.Service  // those who sign in, as configured at the moment
	Issuers  func() []Issuer        // as configured at the moment; nil: nobody knows any
	Defaults func() Defaults        // as configured at the moment; nil: nothing is
	Status   func() adminapi.Status // of this process
	Audit    Trail                  // where it is written down
	Events   Events                 // searches what was; nil: it is not kept here
	By       string                 // who is written down as the author of a change
	Now      func() time.Time
	Log      *slog.Logger
}

// ClientsOf returns the OAuth clients as they are configured at the moment. It needs
// the key that secrets are sealed under, which is not asked for before.
type ClientsOf func(ctx context.Context) (*client.Registry, error)

// Judge says what a key's text is worth: apikey.Verifier.
type Judge interface {
	// Identify returns the key that text is the whole of, in any state;
	// gatehouse.ErrNotMine when it is no key of ours, else a *gatehouse.Error.
	Identify(ctx context.Context, text string) (*apikey.Key, error)
	// Flush writes down the latest uses of keys, as far as it can, so that
	// whoever asks who uses a key is not told of ten seconds ago.
	Flush(ctx context.Context)
}

// Database is the store as something to look after.
type Database interface {
	// Status describes and checks the store.
	Status(ctx context.Context) (*adminapi.Database, error)
	// Backup writes a complete copy to a path that must not exist yet
	// (fs.ErrExist) and describes the copy.
	Backup(ctx context.Context, path string) (*adminapi.Database, error)
}

// reply is a successful answer.
type reply struct {
	status int // zero: 200
	body   any
}

// endpoint does the work of one route.
type endpoint func(r *http.Request) (reply, error)

// Handler returns the door.
func (a *Admin) Handler() http.Handler {
	k, t := &keys{a}, &tenants{a}
	d := &database{a}
	s := &signingKeys{a}
	c := &configuration{a}
	b := &bans{a}
	p := &tools{a}
	w := &tokens{a}
	all := map[string]endpoint{
		"GET /v1/status":                  func(*http.Request) (reply, error) { return reply{body: a.Status()}, nil },
		"GET /v1/keys":                    k.list,
		"POST /v1/keys":                   k.create,
		"POST /v1/keys/verify":            k.verify,
		"POST /v1/keys/import":            k.imports,
		"GET /v1/keys/{id}":               k.show,
		"PATCH /v1/keys/{id}":             k.update,
		"POST /v1/keys/{id}/rotate":       k.rotate,
		"DELETE /v1/keys/{id}/rotate":     k.cancel,
		"POST /v1/keys/{id}/revoke":       k.revoke,
		"GET /v1/tenants":                 t.list,
		"POST /v1/tenants":                t.create,
		"GET /v1/tenants/{name}":          t.show,
		"POST /v1/tenants/{name}/suspend": t.suspend,
		"POST /v1/tenants/{name}/resume":  t.resume,
		"DELETE /v1/tenants/{name}":       t.remove,
		"POST /v1/tenants/{name}/link":    t.link,
		"POST /v1/tenants/{name}/unlink":  t.unlink,
		"GET /v1/issuers":                 w.issuers,
		"GET /v1/tokens/revocations":      w.list,
		"POST /v1/tokens/revocations":     w.revoke,

		"DELETE /v1/tokens/revocations/{revocation}": w.remove,
		"GET /v1/db":                        d.status,
		"POST /v1/db/backup":                d.backup,
		"GET /v1/signing-keys":              s.list,
		"POST /v1/signing-keys/rotate":      s.rotate,
		"POST /v1/signing-keys/{id}/retire": s.retire,
		"GET /v1/config":                    c.show,
		"POST /v1/config/reload":            c.reload,
		"GET /v1/bans":                      b.list,
		"POST /v1/bans":                     b.add,
		"POST /v1/bans/lift":                b.lift,
		"DELETE /v1/signing-keys":           s.abandon,
		"GET /v1/tools":                     p.list,
		"GET /v1/tools/diff":                p.diff,
		"POST /v1/tools/approve":            p.approve,
	}
	maps.Copy(all, (&clients{a}).endpoints())
	maps.Copy(all, (&grants{a}).endpoints())
	maps.Copy(all, (&users{a}).endpoints())
	all["GET /v1/audit"] = (&trail{a}).search
	mux := http.NewServeMux()
	for pattern, do := range all {
		mux.Handle(pattern, a.writes(a.recorded(pattern, do)))
	}
	mux.Handle("/", a.writes(func(r *http.Request) (reply, error) {
		return reply{}, &adminapi.Error{Status: http.StatusNotFound, Code: "GH-2401", Message: "The admin door has no " + r.Method + " " + r.URL.Path + "."}
	}))
	return mux
}

// writes turns what an endpoint returns into an answer: the one place where it happens.
func (a *Admin) writes(do endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, adminapi.MaxBody)
		out, err := do(r)
		status, body := out.status, out.body
		if err != nil {
			e := a.refusal(r, err)
			status, body = e.Status, map[string]*adminapi.Error{"error": e}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store") // answers may hold a secret
		if status != 0 {
			w.WriteHeader(status)
		}
		_ = json.NewEncoder(w).Encode(body) // a caller that left needs no answer
	})
}

// read decodes a request's body strictly: a misspelt "expires" must not make a
// key that never ends.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, extra := d.Token(); !errors.Is(extra, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		return unreadable(err)
	}
	return nil
}

func unreadable(err error) error {
	return bad("The request is not what this door expects: " + err.Error() + ".")
}

// dryRun says whether only a preview is wanted.
func dryRun(r *http.Request) bool { return r.Header.Get(adminapi.DryRunHeader) == "true" }
