package admin

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func (u *users) sessions(r *http.Request) (reply, error) {
	of, user := tenant.ID(""), ""
	if text := r.URL.Query().Get("user"); text != "" {
		r.SetPathValue("user", text)
		one, err := u.about(r)
		if err != nil {
			return reply{}, err
		}
		of, user = one.Tenant, one.ID
	}
	list, err := u.People().Sessions(r.Context(), of, user)
	if err != nil {
		return reply{}, err
	}
	out, names := make([]adminapi.Session, len(list)), map[string]string{}
	for i := range list {
		id := list[i].User
		if _, ok := names[id]; !ok {
			if one, err := u.People().User(r.Context(), "", id); err == nil { // the id says enough
				names[id] = one.Username
			}
		}
		out[i] = sessionWire(&list[i], names[id])
	}
	return reply{body: out}, nil
}

func sessionWire(s *login.Session, username string) adminapi.Session {
	return adminapi.Session{
		ID: s.ID, User: s.User, Username: username, Provider: s.Provider, Methods: append([]string{}, s.Methods...),
		SignedIn: s.SignedIn, LastSeen: s.LastSeen, Expires: s.Expires, Address: s.Address, Agent: s.Agent,
	}
}

func (u *users) end(r *http.Request) (reply, error) {
	id := r.PathValue("session")
	none := &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: fmt.Sprintf("There is no session %.80q. List them with: gatehouse session list", id)}
	if dryRun(r) {
		list, err := u.People().Sessions(r.Context(), "", "")
		if err != nil {
			return reply{}, err
		}
		for i := range list {
			if list[i].ID == id {
				w := sessionWire(&list[i], "")
				w.DryRun = true
				return reply{body: w}, nil
			}
		}
		return reply{}, none
	}
	one, err := u.People().End(r.Context(), "", "", id)
	if errors.Is(err, login.ErrNotFound) {
		err = none
	}
	if err != nil {
		return reply{}, err
	}
	u.Log.Info("session ended", "session", one.ID, "user", one.User, "by", u.By)
	return reply{body: sessionWire(one, "")}, nil
}
