package authserver

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// flow is an authorization request that was judged and now waits for a person.
// It is not stored: it goes along sealed, in a form's hidden field. Whoever has
// it can decide nothing by it alone: a decision needs the browser's cookie too.
type flow struct {
	ID       string    `json:"i"`          // random; that of the trail
	Began    time.Time `json:"b"`          // it ends after ten minutes
	Client   string    `json:"c"`          // id
	Version  string    `json:"v"`          // of the client, when it was judged
	Redirect string    `json:"r,omitzero"` // the redirect URI, as asked for; empty: a device
	State    string    `json:"s,omitzero"` // the client's, byte for byte
	Scopes   []string  `json:"p"`          // that are asked for and that there are; of a page: that it shows to whom it is for
	Asked    []string  `json:"g,omitzero"` // Scopes as they were before any page made them somebody's own; nil: there was no page
	Resource string    `json:"u"`          // canonical
	PKCE     string    `json:"k,omitzero"` // code_challenge
	Key      string    `json:"x,omitzero"` // thumbprint of the key that the code is for; empty: any. RFC 9449 §10
	Offline  bool      `json:"o,omitzero"` // a refresh token is wanted
	MaxAge   int64     `json:"m,omitzero"` // seconds since the person signed in; 0: any. -1: they have to now (prompt=login)
	Hint     string    `json:"h,omitzero"` // login_hint
	Device   string    `json:"d,omitzero"` // user code of a device. RFC 8628 §3.3
	DeviceID string    `json:"f,omitzero"` // of the device
	Consent  []string  `json:"a,omitzero"` // scopes that were allowed on the page; nil: it was not shown yet
	Browser  string    `json:"w,omitzero"` // SHA-256 of the cookie that was set when it was allowed; empty: not yet
	Since    time.Time `json:"q,omitzero"` // with MaxAge -1: sign-ins until then do not count
	All      bool      `json:"l,omitzero"` // it asks for every scope that there is
	Session  string    `json:"e,omitzero"` // id of the session that the page was shown to; empty: to nobody known
	Blank    bool      `json:"z,omitzero"` // no box was ticked on the page: what is not in Consent was not refused
	Left     []string  `json:"t,omitzero"` // scopes that were left out on a page before this one
	Untold   bool      `json:"y,omitzero"` // the trail does not know of it yet: see noteShown
	Next     string    `json:"n,omitzero"` // a path of ours to go on to, instead of a client: "/account"
}

const (
	flowTime   = 10 * time.Minute
	flowField  = "flow" // of a form or a query
	maxSealed  = 7680   // bytes of a sealed flow: it has to fit into the 8 KiB that common proxies have for a request line
	flowSealed = "flow" // purpose
)

// sealFlow returns the flow as it travels.
func (s *Server) sealFlow(f *flow) (string, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // a client's state may have many an ampersand
	if err := e.Encode(f); err != nil {
		return "", fmt.Errorf("write a flow: %w", err)
	}
	return s.Seal.Seal(flowSealed, s.Issuer, text.Bytes())
}

// fits says whether a flow can travel, with all that will be added to it.
func (s *Server) fits(f *flow) (bool, error) {
	full := *f
	full.Consent, full.Browser, full.Session = f.Scopes, browserHash(""), "ses_"+rand.Text()
	full.Blank, full.Untold, full.Asked = true, true, f.Scopes
	sealed, err := s.sealFlow(&full)
	return len(sealed) <= maxSealed, err
}

// openFlow returns a flow that was sealed here less than ten minutes ago. It
// says nothing of who brought it.
func (s *Server) openFlow(sealed string) (*flow, error) {
	gone := &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1420", Description: "this sign-in took longer than ten minutes, or its page is incomplete"}
	if sealed == "" || len(sealed) > maxSealed {
		return nil, gone
	}
	text, err := s.Seal.Open(flowSealed, s.Issuer, sealed)
	if err != nil {
		gone.Cause = err
		return nil, gone
	}
	f := &flow{}
	if err := json.Unmarshal(text, f); err != nil {
		gone.Cause = err
		return nil, gone
	}
	if age := s.now().Sub(f.Began); age >= flowTime || age < -time.Minute { // replicas' clocks differ a little
		return nil, gone
	}
	return f, nil
}

// flowOf returns the flow that a request goes on with, from its form or query,
// if it comes from the browser in which the page was allowed.
func (s *Server) flowOf(r *http.Request) (*flow, error) {
	return s.flowFrom(r, r.FormValue(flowField))
}

// flowFrom is flowOf for a sealed flow that was kept elsewhere.
func (s *Server) flowFrom(r *http.Request, sealed string) (*flow, error) {
	f, err := s.openFlow(sealed)
	if err != nil {
		return nil, err
	}
	mark(r, f.ID)
	c, err := r.Cookie(s.cookieName(browserCookie))
	if err != nil || f.Browser == "" || subtle.ConstantTimeCompare([]byte(browserHash(c.Value)), []byte(f.Browser)) != 1 {
		return nil, &oauth.Error{
			Code: oauth.InvalidRequest, Ref: "GH-1421", Status: http.StatusForbidden,
			Description: "this sign-in was begun in another browser",
		}
	}
	return f, nil
}

func browserHash(cookie string) string {
	sum := sha256.Sum256([]byte("gatehouse browser " + cookie))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
