package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// userCodeRate is how often one address may type a code: a person mistypes some.
// A code has 34 bits and lives for minutes. RFC 8628 §5.1
var userCodeRate = unit.Rate{Count: 10, Per: time.Minute}

// typing is what the page "device" shows.
type typing struct{ Code, Wrong string }

// device answers GET /device: it asks for the code that a device shows. A code in
// the URL saves typing, but not looking: whoever sent the link may have begun
// this. RFC 8628 §3.3, §3.3.1
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("user_code")
	if len(code) > 32 {
		code = ""
	}
	s.page(w, r, http.StatusOK, "device", typing{Code: shown(code)})
}

// deviceCode answers POST /device: a code was typed. Who types many that there
// are not is counted, and soon not heard any more. RFC 8628 §5.1
func (s *Server) deviceCode(w http.ResponseWriter, r *http.Request) {
	if err := s.sameSite(w, r); err != nil {
		s.refused(w, r, "device", err)
		return
	}
	if err := s.take(w, r, "user code", userCodeRate); err != nil {
		s.refused(w, r, "device", err)
		return
	}
	typed := r.PostForm.Get("user_code")
	d, err := s.Devices.ByUserCode(r.Context(), typed)
	switch {
	case errors.Is(err, grant.ErrNotFound), errors.Is(err, grant.ErrExpired):
		e := &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1427", Description: "no device waits with this code", Cause: err}
		if s.Failed != nil {
			s.Failed(r, e.Ref)
		}
		s.tellRefused(w, r, &audit.Event{Action: "device"}, e, func() {
			s.page(w, r, http.StatusBadRequest, "device", typing{Wrong: "No device waits with this code, or it has waited too long. Look at your device again."})
		})
		return
	case err != nil:
		s.fail(w, r, err)
		return
	}
	c, err := s.Clients.Find(r.Context(), d.Client)
	if err != nil {
		s.refused(w, r, "device", err)
		return
	}
	f := &flow{
		ID: d.Flow, Began: s.now(), Client: c.ID, Version: c.Version, Scopes: d.Scopes, Resource: d.Resource, Offline: d.Offline,
		Device: userCode(typed), DeviceID: d.ID,
	}
	if f.ID == "" {
		f.ID = rand.Text()
	}
	mark(r, f.ID)
	if err := s.note(r, &audit.Event{Action: "device", Request: f.ID, ClientID: c.ID, Client: c.Name, Outcome: audit.OK}); err != nil {
		s.fail(w, r, err)
		return
	}
	who, err := s.person(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.consentPage(w, r, f, c, who, "")
}

// decideDevice tells a device that waits what was decided; nil: no.
func (s *Server) decideDevice(ctx context.Context, f *flow, a *grant.Authorization) error {
	err := s.Devices.Decide(ctx, f.DeviceID, a)
	if errors.Is(err, grant.ErrSpent) || errors.Is(err, grant.ErrNotFound) || errors.Is(err, grant.ErrExpired) {
		return &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1427", Description: "this device was decided about before, or has waited too long", Cause: err}
	}
	return err
}

// userCode is a code as devices show it, of one that ByUserCode has accepted.
func userCode(typed string) string {
	var letters []byte
	for i := range len(typed) {
		switch c := typed[i]; {
		case 'a' <= c && c <= 'z':
			letters = append(letters, c-'a'+'A')
		case 'A' <= c && c <= 'Z':
			letters = append(letters, c)
		}
	}
	if len(letters) != 8 {
		return string(letters)
	}
	return string(letters[:4]) + "-" + string(letters[4:])
}
