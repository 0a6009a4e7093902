package safehttp

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// Fetcher fetches documents, by a client of whatever policy. What it adds holds
// for clients of others too: no redirect is followed, and an answer has a size
// and a time.
type Fetcher struct {
	Client *http.Client // nil: that of the zero Policy
	Max    int64        // bytes of an answer; 0: DefaultMaxBody
}

// Answer is what a server said.
type Answer struct {
	Status int
	Type   string // the media type, in lower case, without parameters
	Header http.Header
	Body   []byte
}

// JSON says whether the answer claims to be JSON. RFC 6839 §3.1
func (a *Answer) JSON() bool {
	return a.Type == "application/json" || strings.HasPrefix(a.Type, "application/") && strings.HasSuffix(a.Type, "+json")
}

// Get returns the body of what Fetch fetches.
func (f Fetcher) Get(ctx context.Context, url string) ([]byte, error) {
	a, err := f.Fetch(ctx, url)
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}

// Fetch fetches a document: an answer of status 200 that is not HTML. Servers of
// files do not know what a key set is, so it need not claim to be JSON.
func (f Fetcher) Fetch(ctx context.Context, url string) (*Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	a, err := f.Do(r)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: %w", url, &StatusError{a.Status})
	}
	if a.Type == "text/html" || a.Type == "application/xhtml+xml" {
		return nil, fmt.Errorf("%s: %w", url, ErrHTML)
	}
	return a, nil
}

// Do sends a request and reads the whole answer, of whatever status but one that
// redirects.
func (f Fetcher) Do(r *http.Request) (*Answer, error) {
	c, err := f.client()
	if err != nil {
		return nil, err
	}
	max := f.Max
	if max <= 0 {
		max = DefaultMaxBody
	}
	r.Header.Set("User-Agent", "gatehouse")
	res, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if err := redirected(res); err != nil {
		return nil, fmt.Errorf("%s: %w", r.URL.Redacted(), err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, max+1))
	if err == nil && int64(len(body)) > max {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.URL.Redacted(), err)
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		kind = "" // said wrongly is not said
	}
	return &Answer{Status: res.StatusCode, Type: kind, Header: res.Header, Body: body}, nil
}

// Look judges where a URL leads without asking there: for a browser, which goes where it
// is sent. The client is one of a [Policy].
func (f Fetcher) Look(ctx context.Context, text string) error {
	if err := f.Check(text); err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if g, ok := f.Client.Transport.(*guard); ok {
		return g.dialer.look(ctx, u.Hostname())
	}
	return &URLError{URL: u.Redacted(), Reason: "nobody here can say where it leads"}
}

// client returns a copy, so that the owner's keeps following redirects.
func (f Fetcher) client() (*http.Client, error) {
	if f.Client == nil {
		return Policy{}.Client()
	}
	c := *f.Client
	c.CheckRedirect = stay
	c.Jar = nil
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	return &c, nil
}

// Check says whether a URL could be fetched, as far as its text tells. Whom a
// client of others may reach is its owner's business; plain HTTP stays on the
// machine all the same.
func (f Fetcher) Check(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return &URLError{URL: text, Reason: "it is no URL"}
	}
	if f.Client != nil {
		if g, ok := f.Client.Transport.(*guard); ok {
			return g.check(u)
		}
		if h := u.Hostname(); u.Scheme == "http" && h != "localhost" && h != "127.0.0.1" && h != "::1" {
			return &URLError{URL: u.Redacted(), Reason: "the scheme is not https"}
		}
		return checkText(u)
	}
	return (&guard{dialer: &dialer{}}).check(u)
}
