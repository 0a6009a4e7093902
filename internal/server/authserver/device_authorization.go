package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// deviceAnswer is what a device shows its person. RFC 8628 §3.2
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	Verify     string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	Expires    int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
}

// deviceAuthorization is where a device begins that has no browser. RFC 8628 §3.1
func (s *Server) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	e := &audit.Event{Action: "device", Detail: map[string]string{}}
	out, err := s.beginDevice(w, r, e)
	if err != nil {
		s.refuseClientOf(w, r, e, err)
		return
	}
	e.Outcome = audit.OK
	if err := s.tell(r, e); err != nil {
		s.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) beginDevice(w http.ResponseWriter, r *http.Request, e *audit.Event) (*deviceAnswer, error) {
	form, c, err := s.sent(r, e, "/device_authorization")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(c.Grants, oauth.DeviceCode) {
		return nil, &oauth.Error{Code: oauth.UnauthorizedClient, Ref: "GH-1412", Description: "this client may not use the device grant"}
	}
	if err := s.take(w, r, "device", unit.Rate{Count: 60, Per: time.Minute}); err != nil {
		return nil, err
	}
	resource, scopes, offline, err := s.askedForOne(form)
	if err != nil {
		return nil, err
	}
	d := &grant.Device{
		Client: c.ID, Resource: resource, Scopes: s.resourceAt(resource).wanted(scopes, c.Scopes),
		Offline: offline || slices.Contains(c.Grants, oauth.RefreshToken), Flow: requestID(r),
	}
	started, err := s.Devices.Begin(r.Context(), d)
	if err != nil {
		return nil, err
	}
	e.Detail["resource"] = resource
	page := s.Issuer + "/device"
	return &deviceAnswer{
		DeviceCode: started.DeviceCode, UserCode: started.UserCode, Verify: page, Complete: page + "?user_code=" + url.QueryEscape(started.UserCode),
		Expires: int64(started.Expires.Sub(d.Created) / time.Second), Interval: int64(started.Interval / time.Second),
	}, nil
}

// take counts what a stranger has us keep, by their address.
func (s *Server) take(w http.ResponseWriter, r *http.Request, what string, rate unit.Rate) error {
	if s.Limiter == nil {
		return nil
	}
	from, shared := s.Address(r)
	if shared { // it is nobody's own
		return nil
	}
	d := s.Limiter.Take(ratelimit.Bucket{Kind: ratelimit.KindAddress, Of: "authserver " + what, Addr: from, Rate: rate})
	if d.OK {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(d.RetryAfter/time.Second))))
	return &oauth.Error{Code: oauth.SlowDown, Status: http.StatusTooManyRequests, Ref: "GH-1501", Description: "too many requests from this address", Cause: errors.New("limit " + rate.String())}
}
