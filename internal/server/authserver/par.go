package authserver

import (
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

const (
	pushedLife = time.Minute // RFC 9126 §2.2
	maxPushed  = 8 << 10     // bytes of a request that is kept
)

type pushAnswer struct {
	URI     string `json:"request_uri"`
	Expires int64  `json:"expires_in"`
}

// push takes an authorization request directly from its client, before there is
// a browser. RFC 9126 §2
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	e := &audit.Event{Action: "push", Detail: map[string]string{}}
	out, err := s.keepRequest(w, r, e)
	if err != nil {
		s.refuseClientOf(w, r, e, err)
		return
	}
	writeJSON(w, http.StatusCreated, out)
}

func (s *Server) keepRequest(w http.ResponseWriter, r *http.Request, e *audit.Event) (*pushAnswer, error) {
	form, c, err := s.sent(r, e, "/par") // RFC 9126 §2
	if err != nil {
		return nil, err
	}
	if err := s.pushable(form, c); err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(form.Encode())
	if err != nil {
		return nil, err
	}
	for _, secret := range [...]string{"client_secret", "client_assertion", "client_assertion_type"} {
		values.Del(secret)
	}
	values.Set("client_id", c.ID)
	if key, err := s.proof(r); err != nil {
		return nil, err
	} else if said := values.Get("dpop_jkt"); key != "" && said != "" && said != key { // RFC 9449 §10.1
		return nil, &oauth.Error{Code: oauth.InvalidDPoPProof, Ref: "GH-1114", Description: "dpop_jkt is not the key of the DPoP proof"}
	} else if key != "" {
		values.Set("dpop_jkt", key)
	}
	text := values.Encode()
	if len(text) > maxPushed {
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Status: http.StatusRequestEntityTooLarge, Ref: "GH-1400", Description: "the request is larger than 8 KiB"}
	}
	if err := s.take(w, r, "par", unit.Rate{Count: 600, Per: time.Minute}); err != nil {
		return nil, err
	}
	uri, err := s.Requests.Push(r.Context(), c.ID, text, pushedLife)
	if err != nil {
		return nil, err
	}
	return &pushAnswer{URI: uri, Expires: int64(pushedLife / time.Second)}, nil
}

// pushable refuses what /authorize would refuse anyway, while there is somebody
// who can mend it. RFC 9126 §2.1
func (s *Server) pushable(form *oauth.Params, c *client.Client) error {
	switch {
	case form.Get("request_uri") != "" || form.Get("request") != "":
		return &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1400", Description: "request and request_uri are not taken here"}
	case form.Get("client_id") != "" && form.Get("client_id") != c.ID:
		return &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1400", Description: "client_id is not the client that sent this"}
	}
	if e := s.judgePushed(c, form); e != nil {
		return e
	}
	return nil
}
