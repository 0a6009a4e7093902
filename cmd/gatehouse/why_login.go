package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

// whyLogin is a login in a line.
type whyLogin struct {
	Request  string    `json:"request"`
	Began    time.Time `json:"began"`
	State    string    `json:"state"`
	Stopped  string    `json:"stopped,omitempty"`
	Code     string    `json:"code,omitempty"`
	ClientID string    `json:"client_id,omitempty"`
	Client   string    `json:"client_supplied,omitempty"`
	Subject  string    `json:"subject,omitempty"`
}

// whyLogins lists logins, and tells all of the newest that came to nothing.
func (a *app) whyLogins(ctx context.Context, f *whyFlags) (*whyAnswer, error) {
	q := why.Filter{Client: f.client, Since: f.from, Limit: f.limit}
	out := &whyAnswer{Kind: "logins", OK: true, Logins: []whyLogin{}}
	if f.user != "" {
		u, err := a.findUser(ctx, f, f.user)
		if err != nil {
			return nil, err
		}
		q.Subjects = []string{f.user}
		if u != nil {
			out.User = describeUser(u)
			q.Subjects = append(q.Subjects, u.ID)
		}
	}
	list, cut, err := f.search.Logins(ctx, q, a.view(f))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, a.notThere("no login " + ofWhom(f) + " at our own authorization server. With other issuers people sign in elsewhere: there is a trail there")
	}
	out.Cut = cut
	for _, l := range list {
		if l.Failed() && out.Login == nil {
			whole, err := f.search.Login(ctx, l.Request, a.view(f)) // with what only fits: the list does not look for that
			if err != nil {
				return nil, err
			}
			l, out.Login = whole, whole
		}
		out.OK = out.OK && !l.Failed()
		out.Logins = append(out.Logins, whyLogin{
			Request: l.Request, Began: l.Began, State: l.State, Stopped: l.Stopped, Code: l.Code, ClientID: l.ClientID, Client: l.Client, Subject: l.Subject,
		})
	}
	return out, nil
}

func ofWhom(f *whyFlags) string {
	var all []string
	for _, one := range [...]struct{ word, what string }{{"of client", f.client}, {"of user", f.user}, {"since", f.since}} {
		if one.what != "" {
			all = append(all, fmt.Sprintf("%s %.80q", one.word, one.what))
		}
	}
	return strings.Join(all, " ")
}

const (
	usersAtOnce = 1000
	mostUsers   = 20_000 // that are looked through for an address
)

// findUser finds a user by id, name or address; nil: there is none, or no store to ask.
func (a *app) findUser(ctx context.Context, f *whyFlags, text string) (*adminapi.User, error) {
	if f.door != nil {
		return userOf(ctx, f.door, text)
	}
	d, err := a.open(ctx, false)
	if fault, ok := errors.AsType[*fault](err); ok && fault.code == "GH-2401" {
		return nil, nil //nolint:nilnil // there is no installation: the trail may know them
	}
	if err != nil {
		return nil, err
	}
	u, err := userOf(ctx, d.Client, text)
	return u, errors.Join(err, d.close())
}

// nameUser is who has an id of ours, if a running server can be asked; else nil.
func nameUser(ctx context.Context, f *whyFlags, id string) *whyUser {
	if f.door == nil || !strings.HasPrefix(id, "usr_") {
		return nil
	}
	u, err := f.door.User(ctx, id)
	if err != nil {
		return nil // the id will do
	}
	return describeUser(u)
}

func userOf(ctx context.Context, d *adminapi.Client, text string) (*adminapi.User, error) {
	u, err := d.User(ctx, text)
	if refused, ok := errors.AsType[*adminapi.Error](err); err == nil || !ok || refused.Code != "GH-2401" && refused.Status != 400 {
		return u, err
	}
	if !strings.Contains(text, "@") {
		return nil, nil //nolint:nilnil // nobody is called so
	}
	for after, n := "", 0; n < mostUsers; n += usersAtOnce {
		list, err := d.Users(ctx, adminapi.UserFilter{After: after, Limit: usersAtOnce})
		if err != nil {
			return nil, err
		}
		for i := range list {
			if hasAddress(&list[i], text) {
				return d.User(ctx, list[i].ID)
			}
		}
		if len(list) < usersAtOnce {
			break
		}
		after = list[len(list)-1].ID
	}
	return nil, nil //nolint:nilnil // nobody has this address
}

func hasAddress(u *adminapi.User, address string) bool {
	if strings.EqualFold(u.Email, address) {
		return true
	}
	for i := range u.Identities {
		if strings.EqualFold(u.Identities[i].Email, address) {
			return true
		}
	}
	return false
}
