package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// Bounds of documents.
const (
	maxDocument = 64 << 10        // bytes. CIMD §8.7 suggests 5 KB, which well-known ones exceed
	fetchTime   = 5 * time.Second // of a whole fetch

	usualAge = time.Hour      // how long one is kept that does not say
	minAge   = time.Minute    // whatever it says: who asks for none is fetched at each request
	maxAge   = 24 * time.Hour // whatever it says: a stolen domain is given back some day

	lastGood = 7 * 24 * time.Hour // how long one serves that cannot be fetched any more
)

// reason is why a document does not count, if strangers may know.
func reason(err error) string {
	var why *invalid
	if !errors.As(err, &why) {
		return ""
	}
	return ": " + strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' { // RFC 6749 §5.2
			return -1
		}
		return r
	}, why.why)
}

// fetched is a document as it came, and how long it is fresh.
type fetched struct {
	metadata *metadata
	fresh    time.Duration
}

// fetch gets a document and reads it. The error wraps ErrFetch when another time
// it may be had, ErrInvalid when it is there and does not count.
func (g *Registry) fetch(ctx context.Context, id string) (*fetched, error) {
	g.prepare()
	if g.fault != nil {
		return nil, &invalid{why: "this server is not set up for it", what: ErrFetch, cause: g.fault}
	}
	a, err := (safehttp.Fetcher{Client: g.http, Max: maxDocument}).Fetch(ctx, id)
	if err != nil {
		return nil, &invalid{why: safehttp.Reason(err), what: ErrFetch, cause: err}
	}
	if !a.JSON() {
		return nil, &invalid{why: "answer is not of a JSON type", what: ErrFetch}
	}
	m, err := readDocument(a.Body, id, g.Settings.Redirects)
	if err != nil {
		return nil, err
	}
	return &fetched{metadata: m, fresh: freshness(a.Header)}, nil
}

// gone says that a document is not there any more, rather than out of reach.
func gone(err error) bool {
	var status *safehttp.StatusError
	return errors.As(err, &status) && (status.Status == http.StatusNotFound || status.Status == http.StatusGone)
}

// readDocument reads a document for the id that is its URL. CIMD §4
func readDocument(raw []byte, id string, redirects []string) (*metadata, error) {
	wrong := func(why string) error { return &invalid{why: why, what: ErrInvalid} }
	o, err := jws.ReadObject(raw, metadataNames)
	if err != nil {
		return nil, wrong("it is not strict JSON, " + err.Error())
	}
	said, err := text(o, "client_id")
	if err != nil || said != id { // byte for byte: whoever serves it has to mean this URL
		return nil, wrong("client_id inside differs from its URL")
	}
	for _, name := range [...]string{"client_secret", "client_secret_expires_at"} {
		if o.Has(name) {
			return nil, wrong("it has a " + name + ", which everybody can read")
		}
	}
	if name, err := text(o, "client_name"); err != nil || cleanName(name) == "" { // MCP Client Registration
		return nil, wrong("it has no client_name")
	}
	m, _, err := source{document: true, redirects: redirects}.read(o)
	var refusal *oauth.Error
	switch {
	case errors.As(err, &refusal):
		return nil, wrong(refusal.Description)
	case err != nil:
		return nil, err
	case len(m.Redirects) == 0: // MCP Client Registration
		return nil, wrong("it has no redirect_uris")
	}
	return m, nil
}

// freshness is how long a document is used without asking again. RFC 9111 §5.2
func freshness(h http.Header) time.Duration {
	age := usualAge
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "no-store", "no-cache":
			return minAge
		case "max-age":
			if n, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				age = time.Duration(n) * time.Second
			}
		}
	}
	if n, err := strconv.ParseInt(h.Get("Age"), 10, 32); err == nil && n > 0 {
		age -= time.Duration(n) * time.Second
	}
	return min(max(age, minAge), maxAge)
}

// prepare makes what the settings say, once.
func (g *Registry) prepare() {
	g.once.Do(func() {
		if g.Cache == nil {
			g.Cache = new(Cache)
		}
		allowed, refused := reachable(g.Settings.Private, g.Issuer)
		if len(refused) > 0 {
			g.log().Warn("documents are not fetched from this machine, because the issuer is not on it", "private", refused)
		}
		policy := safehttp.Policy{Allow: allowed, Roots: g.Settings.Roots, Timeout: fetchTime, MaxBody: maxDocument}
		g.http, g.fault = policy.Client()
	})
}

// lookup returns what a document says: fresh, or else fetched now, or else as it
// was last, or as it came with this program.
func (g *Registry) lookup(ctx context.Context, u *url.URL, row *Row, vouched bool) (*metadata, error) {
	id := u.String()
	c := g.cache()
	spare := g.spare(id, row)
	m, err := c.get(ctx, lookup{
		id: id, host: u.Host, vouched: vouched, spare: spare, now: g.now,
		fetch: func(ctx context.Context) (*fetched, error) { return g.fetch(ctx, id) },
		note: func(err error) {
			g.log().Warn("a client's document could not be used", "client", id, "error", err.Error())
		},
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// spare is what is known of a document if it cannot be fetched; nil: nothing.
func (g *Registry) spare(id string, row *Row) *metadata {
	if row != nil && row.Metadata != nil && g.now().Sub(row.Seen) < lastGood {
		if m, err := parseMetadata(row.Metadata); err == nil {
			return m
		}
	}
	return pinned(id)
}
