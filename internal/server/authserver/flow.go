package authserver

import "time"

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
	Scopes   []string  `json:"p"`          // that are asked for and that there are
	Resource string    `json:"u"`          // canonical
	PKCE     string    `json:"k,omitzero"` // code_challenge
	Offline  bool      `json:"o,omitzero"` // a refresh token is wanted
	MaxAge   int64     `json:"m,omitzero"` // seconds since the person signed in; 0: any. -1: they have to now (prompt=login)
	Hint     string    `json:"h,omitzero"` // login_hint
	Device   string    `json:"d,omitzero"` // user code of a device. RFC 8628 §3.3
	Consent  []string  `json:"a,omitzero"` // scopes that were allowed on the page; nil: it was not shown yet
	Browser  string    `json:"w,omitzero"` // SHA-256 of the cookie that was set when it was allowed; empty: not yet
}
