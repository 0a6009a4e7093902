package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// users are the endpoints about people and their sessions.
type users struct{ *Admin }

func (u *users) endpoints() map[string]endpoint {
	return map[string]endpoint{
		"GET /v1/users":                    u.list,
		"POST /v1/users":                   u.create,
		"GET /v1/users/{user}":             u.show,
		"PATCH /v1/users/{user}":           u.update,
		"DELETE /v1/users/{user}":          u.remove,
		"POST /v1/users/{user}/invite":     u.invite,
		"POST /v1/users/{user}/disable":    u.disable,
		"POST /v1/users/{user}/enable":     u.enable,
		"POST /v1/users/{user}/revoke-all": u.revokeAll,
		"GET /v1/sessions":                 u.sessions,
		"DELETE /v1/sessions/{session}":    u.end,
	}
}

// wire is a user as an operator sees them.
func (u *users) wire(ctx context.Context, one *login.User, names *tenantNames) (*adminapi.User, error) {
	t, err := names.of(ctx, one.Tenant)
	if err != nil {
		return nil, fmt.Errorf("tenant of user %s: %w", one.ID, err)
	}
	w := &adminapi.User{
		ID: one.ID, Username: one.Username, Name: one.Name, Email: one.Email, Tenant: t.Name, State: string(one.State),
		Groups: append([]string{}, one.Groups...), Roles: append([]string{}, one.Roles...),
		Created: one.Created, LastSeen: pointer(one.LastSeen), Identities: []adminapi.Identity{},
	}
	for i := range one.Links {
		l := &one.Links[i]
		w.Identities = append(w.Identities, adminapi.Identity{
			Provider: l.Provider, Issuer: l.Issuer, Subject: l.Subject, Email: l.Email,
			Groups: append([]string{}, l.Groups...), Roles: append([]string{}, l.Roles...), LastUsed: l.LastUsed,
		})
	}
	return w, nil
}

func (u *users) list(r *http.Request) (reply, error) {
	q := r.URL.Query()
	of, limit := tenant.ID(""), 100
	if text := q.Get("tenant"); text != "" {
		t, err := u.find(r.Context(), text)
		if err != nil {
			return reply{}, err
		}
		of = t.ID
	}
	if err := limitOf(q, &limit); err != nil {
		return reply{}, err
	}
	all, err := u.People().List(r.Context(), of, q.Get("after"), limit)
	if err != nil {
		return reply{}, err
	}
	out := make([]*adminapi.User, len(all))
	names := &tenantNames{Tenants: u.Tenants}
	for i := range all {
		if out[i], err = u.wire(r.Context(), &all[i], names); err != nil {
			return reply{}, err
		}
	}
	return reply{body: out}, nil
}

// about returns whom a request is about.
func (u *users) about(r *http.Request) (*login.User, error) {
	handle := r.PathValue("user")
	one, err := u.People().User(r.Context(), "", handle)
	if errors.Is(err, login.ErrNotFound) {
		err = &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: fmt.Sprintf("There is no user %.80q. List them with: gatehouse user list", handle)}
	}
	return one, err
}

// answer is a user on the wire.
func (u *users) answer(r *http.Request, one *login.User) (reply, error) {
	w, err := u.wire(r.Context(), one, &tenantNames{Tenants: u.Tenants})
	if err != nil {
		return reply{}, err
	}
	w.DryRun = dryRun(r)
	return reply{body: w}, nil
}

func (u *users) show(r *http.Request) (reply, error) {
	one, err := u.about(r)
	if err != nil {
		return reply{}, err
	}
	w, err := u.wire(r.Context(), one, &tenantNames{Tenants: u.Tenants})
	if err != nil {
		return reply{}, err
	}
	has, err := u.People().Has(r.Context(), one.ID)
	if err != nil {
		return reply{}, err
	}
	open, err := u.People().Sessions(r.Context(), one.Tenant, one.ID)
	if err != nil {
		return reply{}, err
	}
	n := len(open)
	w.Sessions = &n
	w.Means = &adminapi.Means{Password: has.Password != "", Authenticator: has.TOTP != "", RecoveryCodes: has.Recovery, Passkeys: []adminapi.Passkey{}}
	for _, p := range has.Passkeys {
		w.Means.Passkeys = append(w.Means.Passkeys, adminapi.Passkey{ID: p.ID, Name: p.Name, Created: p.Created, LastUsed: pointer(p.LastUsed)})
	}
	return reply{body: w}, nil
}

func (u *users) create(r *http.Request) (reply, error) {
	var in adminapi.NewUser
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	of, err := u.find(r.Context(), orElse(in.Tenant, tenant.Default))
	if err != nil {
		return reply{}, err
	}
	n := &login.NewUser{Tenant: of.ID, Username: in.Username, Name: in.Name, Email: in.Email, Groups: in.Groups, Roles: in.Roles, Password: in.Password}
	do := u.People().Create
	if dryRun(r) {
		do = u.rehearse
	}
	one, err := do(r.Context(), n)
	if errors.Is(err, login.ErrExists) {
		return reply{}, &adminapi.Error{Status: http.StatusConflict, Code: codeExists, Message: fmt.Sprintf("A user %s exists. Look at them with: gatehouse user show %[1]s", in.Username)}
	}
	if err != nil {
		return reply{}, err
	}
	out, err := u.answer(r, one)
	if !dryRun(r) {
		out.status = http.StatusCreated
		u.Log.Info("user created", "user", one.ID, "username", one.Username, "tenant", of.Name, "by", u.By)
	}
	return out, err
}

// rehearse says whom create would make.
func (u *users) rehearse(ctx context.Context, n *login.NewUser) (*login.User, error) {
	one, err := u.People().Preview(n)
	if err != nil {
		return nil, err
	}
	if _, err := u.People().User(ctx, "", one.Username); !errors.Is(err, login.ErrNotFound) {
		return nil, errors.Join(err, login.ErrExists)
	}
	one.ID = ""
	return one, nil
}

func (u *users) invite(r *http.Request) (reply, error) {
	var in adminapi.Invite
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	one, err := u.about(r)
	if err != nil {
		return reply{}, err
	}
	people := u.People()
	switch {
	case people.Issuer == "":
		return reply{}, conflict("It is not known where an invitation leads: the installation is not configured to sign people in. Name its configuration: -c FILE, with auth.embedded in it.")
	case one.State == login.Disabled:
		return reply{}, conflict(fmt.Sprintf("User %s is disabled. Enable them first: gatehouse user enable %[1]s", handleOf(one)))
	case one.Username == "":
		return reply{}, conflict(fmt.Sprintf("User %s signs in by a provider, and has nothing to set up here.", one.ID))
	}
	w := adminapi.Invitation{User: one.ID, Username: one.Username, Reset: in.Reset, DryRun: dryRun(r), Expires: u.Now().Add(login.InvitationLife).UTC().Truncate(time.Second)}
	if w.DryRun {
		return reply{body: w}, nil
	}
	link, i, err := people.Invite(r.Context(), one.Tenant, one.ID, u.By, in.Reset)
	if err != nil {
		return reply{}, err
	}
	w.Link, w.Expires = link, i.Expires
	u.Log.Info("user invited", "user", one.ID, "invitation", i.ID, "reset", in.Reset, "by", u.By)
	return reply{status: http.StatusCreated, body: w}, nil
}

// handleOf is what commands call a user.
func handleOf(one *login.User) string { return orElse(one.Username, one.ID) }

func (u *users) disable(r *http.Request) (reply, error) {
	return u.ends(r, "user disabled", u.People().Disable, func(one *login.User) error {
		if one.State == login.Disabled {
			return conflict(fmt.Sprintf("User %s is disabled already.", handleOf(one)))
		}
		return nil
	})
}

func (u *users) revokeAll(r *http.Request) (reply, error) {
	return u.ends(r, "user signed out everywhere", u.People().RevokeAll, func(*login.User) error { return nil })
}

// ends ends what a user has open.
func (u *users) ends(r *http.Request, event string, do func(context.Context, tenant.ID, string, string, string) (*login.Ended, error), may func(*login.User) error) (reply, error) {
	var in adminapi.EndUser
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	one, err := u.about(r)
	if err == nil {
		err = may(one)
	}
	if err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		return u.answer(r, one)
	}
	e, err := do(r.Context(), one.Tenant, one.ID, u.By, in.Reason)
	if errors.Is(err, login.ErrIssuer) {
		return reply{}, conflict("This user may have access tokens, and whose those are is not known without the configuration. Name it: -c FILE. Nothing was ended.")
	}
	if err != nil {
		return reply{}, err
	}
	u.Log.Info(event, "user", one.ID, "sessions", e.Sessions, "grants", e.Grants, "by", u.By)
	w, err := u.wire(r.Context(), e.User, &tenantNames{Tenants: u.Tenants})
	if err != nil {
		return reply{}, err
	}
	w.Ended = &adminapi.Ended{Sessions: e.Sessions, Grants: e.Grants}
	return reply{body: w}, nil
}

func (u *users) enable(r *http.Request) (reply, error) {
	if err := read(r, &struct{}{}); err != nil {
		return reply{}, err
	}
	one, err := u.about(r)
	switch {
	case err != nil:
		return reply{}, err
	case one.State != login.Disabled:
		return reply{}, conflict(fmt.Sprintf("User %s is %s, and not disabled.", handleOf(one), one.State))
	}
	if !dryRun(r) {
		if one, err = u.People().Enable(r.Context(), one.Tenant, one.ID); err != nil {
			return reply{}, err
		}
		u.Log.Info("user enabled", "user", one.ID, "by", u.By)
	}
	return u.answer(r, one)
}

// ofUser describes a user as they are now.
func ofUser(e *audit.Event, w *adminapi.User) {
	e.Subject, e.Tenant = w.ID, w.Tenant
	for name, value := range map[string]string{"state": w.State, "username": w.Username, "email": w.Email} {
		if value != "" {
			e.Detail[name] = value
		}
	}
	if w.Ended != nil {
		e.Detail["sessions"], e.Detail["grants"] = strconv.Itoa(w.Ended.Sessions), strconv.Itoa(w.Ended.Grants)
	}
}
