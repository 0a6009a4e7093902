package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Issuer is one whose tokens are accepted, as configured.
type Issuer struct {
	Name   string
	Values []string      // of iss; the first is what links and revocations are kept under
	Lives  time.Duration // how long a token may live, leeway included; zero: nobody knows
}

// known are the issuers that are configured.
func (a *Admin) known() []Issuer {
	if a.Issuers == nil {
		return nil
	}
	return a.Issuers()
}

// nameOf returns what an issuer is called; empty: it is not configured.
func (a *Admin) nameOf(iss string) string {
	for _, i := range a.known() {
		if slices.Contains(i.Values, iss) {
			return i.Name
		}
	}
	return ""
}

// issuer finds an issuer by its name or by its iss. One that is not configured
// can still be named by its iss: it may have been, or be soon.
func (a *Admin) issuer(text string) (Issuer, error) {
	var names []string
	for _, i := range a.known() {
		if i.Name == text || slices.Contains(i.Values, text) {
			return i, nil
		}
		names = append(names, i.Name)
	}
	switch {
	case strings.Contains(text, "://"):
		return Issuer{Values: []string{text}}, nil
	case len(names) == 0:
		return Issuer{}, bad(fmt.Sprintf("No issuer %.80q is known here. Give its iss (https://…), or the configuration that names it: -c FILE.", text))
	}
	return Issuer{}, bad(fmt.Sprintf("No issuer is called %.80q. Configured: %s. Any other by its iss: https://…", text, strings.Join(names, ", ")))
}

// linkOf reads an external id.
func (t *tenants) linkOf(e adminapi.ExternalID) (l tenant.Link, err error) {
	if e.Issuer == "" || e.Value == "" {
		return l, bad("An external id is ISSUER=VALUE: the issuer's name or iss, and what its claim says of the tenant.")
	}
	i, err := t.issuer(e.Issuer)
	if err != nil {
		return l, err
	}
	l = tenant.Link{Issuer: i.Values[0], External: e.Value}
	return l, l.Validate()
}

// linked says that a tenant has a link already; nil: none has.
func (t *tenants) linked(ctx context.Context, l tenant.Link) error {
	list, err := t.Tenants.List(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		if slices.Contains(list[i].Links, l) {
			return &adminapi.Error{Status: http.StatusConflict, Code: codeExists, Message: fmt.Sprintf(
				"%.80q of %s is linked to tenant %s. Take that back first: gatehouse tenant unlink %[3]s --external-id %[2]s=%[1]s",
				l.External, orElse(t.nameOf(l.Issuer), l.Issuer), list[i].Name)}
		}
	}
	return nil
}

func (t *tenants) link(r *http.Request) (reply, error) {
	one, l, err := t.about(r)
	if err != nil {
		return reply{}, err
	}
	if one.State == tenant.Deleted {
		return reply{}, conflict(fmt.Sprintf("Tenant %s was deleted; that is final.", one.Name))
	}
	if err := t.linked(r.Context(), l); err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		one.Links = append(one.Links, l)
	} else if one, err = t.Tenants.Link(r.Context(), one.ID, l); err != nil {
		return reply{}, err
	}
	return t.relinked(r, one, "tenant linked", l)
}

func (t *tenants) unlink(r *http.Request) (reply, error) {
	one, l, err := t.about(r)
	if err != nil {
		return reply{}, err
	}
	if !slices.Contains(one.Links, l) {
		return reply{}, &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: fmt.Sprintf(
			"Tenant %s has no external id %.80q of %s. Look at it with: gatehouse tenant show %[1]s", one.Name, l.External, orElse(t.nameOf(l.Issuer), l.Issuer))}
	}
	if dryRun(r) {
		one.Links = slices.DeleteFunc(one.Links, func(other tenant.Link) bool { return other == l })
	} else if one, err = t.Tenants.Unlink(r.Context(), one.ID, l); err != nil {
		return reply{}, err
	}
	return t.relinked(r, one, "tenant unlinked", l)
}

// about reads which tenant and which external id a request is about.
func (t *tenants) about(r *http.Request) (one *tenant.Tenant, l tenant.Link, err error) {
	var in adminapi.ExternalID
	if err := read(r, &in); err != nil {
		return nil, l, err
	}
	if l, err = t.linkOf(in); err != nil {
		return nil, l, err
	}
	one, err = t.find(r.Context(), r.PathValue("name"))
	return one, l, err
}

func (t *tenants) relinked(r *http.Request, one *tenant.Tenant, event string, l tenant.Link) (reply, error) {
	w, err := t.answer(r.Context(), one)
	if w.DryRun = dryRun(r); !w.DryRun {
		t.Log.Info(event, "tenant", one.Name, "issuer", l.Issuer, "external_id", l.External, "by", t.By)
	}
	return reply{body: w}, err
}

// externalIDs are those of a tenant, for the trail.
func externalIDs(list []adminapi.ExternalID) string {
	var all []string
	for _, e := range list {
		all = append(all, e.Issuer+"="+e.Value)
	}
	return strings.Join(all, " ")
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
