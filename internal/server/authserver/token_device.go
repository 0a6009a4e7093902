package authserver

import (
	"errors"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// tokenOfDevice is for a device that waits for a person. RFC 8628 §3.4
func (s *Server) tokenOfDevice(q *tokenRequest) (*issue, error) {
	code := q.form.Get("device_code")
	if code == "" {
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1414", Description: "device_code is required"}
	}
	key := ""
	if q.client.Public() {
		key = q.key // RFC 9449 §5
	}
	g, err := s.Devices.Poll(q.Context(), code, q.client.ID, key)
	if err != nil {
		q.quiet = errors.Is(err, grant.ErrPending) || errors.Is(err, grant.ErrSlowDown)
		return nil, deviceRefused(err)
	}
	return s.issueOf(q, g)
}

// deviceRefused says why a device is not given a token. RFC 8628 §3.5
func deviceRefused(err error) error {
	e := &oauth.Error{Ref: "GH-1414", Cause: err}
	switch {
	case errors.Is(err, grant.ErrPending):
		e.Code, e.Description = oauth.AuthorizationPending, "nobody has decided yet"
	case errors.Is(err, grant.ErrSlowDown):
		e.Code, e.Description = oauth.SlowDown, "this asks too often: wait five seconds longer each time"
	case errors.Is(err, grant.ErrDenied):
		e.Code, e.Description = oauth.AccessDenied, "the person did not allow it"
	case errors.Is(err, grant.ErrExpired):
		e.Code, e.Description = oauth.ExpiredToken, "the device code has expired: begin anew"
	case errors.Is(err, grant.ErrNotFound), errors.Is(err, grant.ErrSpent), errors.Is(err, grant.ErrMismatch), errors.Is(err, grant.ErrRevoked):
		e.Code, e.Description = oauth.InvalidGrant, "the device code is unknown, used or of another client"
	default:
		return err
	}
	return e
}
