package admin

import (
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

func (u *users) update(r *http.Request) (reply, error) {
	var in adminapi.UserChange
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	if in == (adminapi.UserChange{}) {
		return reply{}, bad("Nothing to change was named.")
	}
	one, err := u.about(r)
	if err != nil {
		return reply{}, err
	}
	change := &login.UserChange{Name: in.Name, Email: in.Email, Groups: in.Groups, Roles: in.Roles}
	if one, err = u.People().Update(r.Context(), one.Tenant, one.ID, change, dryRun(r)); err != nil {
		return reply{}, err
	}
	if !dryRun(r) {
		u.Log.Info("user updated", "user", one.ID, "by", u.By)
	}
	return u.answer(r, one)
}

func (u *users) remove(r *http.Request) (reply, error) {
	return u.ends(r, "user deleted", u.People().Delete, func(*login.User) error { return nil })
}
