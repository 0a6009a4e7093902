package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/credential"
)

// overtime is how long a stream may outlive the credential that opened it: as
// far as the clocks of issuer and server may differ.
const overtime = time.Minute

// Protect returns a handler that lets nobody through to next without a
// credential that v accepts, on each request anew; next finds who it is by
// [FromContext]. It serves the resource's metadata too, at both of its
// well-known paths, and answers the preflights of browsers: mount it at the
// resource's path and at /.well-known/oauth-protected-resource/, or at "/".
//
// It refuses with 401 and a challenge; with 400 what is not clear, and with 500
// when v fails: by an error that is no [*Error], a panic, or an answer that is
// neither an identity nor an error. Credentials in the query are refused.
//
// Its own error names the field of r, of v or of next that will not do: what
// has a method Check() error is asked.
func Protect(next http.Handler, r Resource, v Verifier) (http.Handler, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if err := checked("verifier", v); err != nil {
		return nil, err
	}
	if err := checked("next", next); err != nil {
		return nil, err
	}
	u, err := identifier(r.URL)
	if err != nil {
		return nil, err
	}
	r.Origins = slices.Clone(r.Origins)
	d := &door{
		next: next, resource: r, verifier: v, path: u.Path, origin: u.Scheme + "://" + u.Host,
		scope: strings.Join(r.Scopes, " "), metadataURL: r.MetadataURL(), metadataPath: metadataRoot + u.Path, includes: closure(r.Includes),
	}
	if d.metadataURL != "" {
		if d.metadata, err = r.Metadata(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// checked refuses what is missing or says of itself that it will not do. Behind
// an interface nothing may be hidden: a nil pointer in one is not nil.
func checked(name string, what any) (err error) {
	v := reflect.ValueOf(what)
	switch v.Kind() {
	case reflect.Invalid:
		return fmt.Errorf("%s: it is required", name)
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Interface, reflect.Chan:
		if v.IsNil() {
			return fmt.Errorf("%s: a nil %T is none", name, what)
		}
	}
	c, ok := what.(interface{ Check() error })
	if !ok {
		return nil
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// door is what Protect returns. It does not change.
type door struct {
	next        http.Handler
	resource    Resource
	verifier    Verifier
	path        string // of the resource; "" at the root of its host
	origin      string // of the resource
	scope       string // what a challenge asks for
	metadata    []byte // nil: there is none
	metadataURL string

	metadataPath string
	includes     map[string][]string // scope: those by which it is had
}

// ServeHTTP answers, or hands on to next whom it has let in.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.metadata != nil && (r.URL.Path == metadataRoot || r.URL.Path == d.metadataPath) {
		d.describe(w, r)
		return
	}
	if err := d.page(w, r); err != nil {
		d.refuse(w, err, nil)
		return
	}
	if d.preflight(w, r) {
		return
	}
	v := &visit{Context: r.Context(), door: d}
	id, err := d.admit(r, &v.sent)
	if err != nil {
		d.refuse(w, err, nil)
		return
	}
	v.identity = id
	if !id.Expires.IsZero() && streams(r) { // nothing asks again while one is open
		ctx, end := context.WithDeadline(v.Context, id.Expires.Add(overtime))
		defer end()
		v.Context = ctx
	}
	d.next.ServeHTTP(w, r.WithContext(v))
}

// streams says whether a request is for what the server may send at any time.
func streams(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Header.Get("Mcp-Method") == "subscriptions/listen"
}

// admit says who a request is from, and fills in c on the way; every refusal
// returns no identity.
func (d *door) admit(r *http.Request, c *Credential) (*Identity, error) {
	scheme, text, fault := credential.Read(r)
	if fault != nil {
		return nil, faulty(fault)
	}
	*c = Credential{
		Scheme: scheme, Text: text, Proofs: credential.Proofs(r), Method: r.Method, URL: d.asSent(r),
		Certificate: credential.Certificate(r), From: peer(r),
	}
	id, err := ask(r.Context(), d.verifier, c)
	switch {
	case err != nil && errors.Is(err, ErrNotMine):
		return nil, nobodys(err)
	case err != nil:
		return nil, err
	case r.Context().Err() != nil: // whoever did not look at it may have been cut short
		return nil, fmt.Errorf("verify: %w", context.Cause(r.Context()))
	}
	return id, nil
}

// ask has a verifier judge, and holds it to its word: an identity or an error,
// whatever happens inside.
func ask(ctx context.Context, v Verifier, c *Credential) (id *Identity, err error) {
	defer func() {
		if p := recover(); p != nil {
			id, err = nil, fmt.Errorf("%T panicked: %v", v, p)
		}
	}()
	id, err = v.Verify(ctx, c)
	switch {
	case err != nil:
		_ = err.Error() // here, where it does no harm: the nil pointer in an interface panics
		return nil, err
	case id == nil:
		return nil, fmt.Errorf("%T returned neither an identity nor an error", v)
	case id.Subject == "":
		return nil, fmt.Errorf("%T returned an identity of nobody", v)
	}
	return id, nil
}

// nobodys is the refusal of a credential that no verifier takes: the story that
// the last of them has to tell, if one has. RFC 6750 §3.1
func nobodys(err error) error {
	if e, ok := refusal(err); ok {
		return e
	}
	return Refuse("GH-1011", "Credential not accepted.", errors.New("no verifier knows its kind"))
}

// asSent returns the URL of a request as its sender knows it: our own, or what
// is below it. RFC 9449 §4.3
func (d *door) asSent(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if rest, ok := strings.CutPrefix(path, d.path); ok && rest != "" && (rest[0] == '/' || d.path == "") && plainPath(path) {
		return d.origin + path
	}
	return d.resource.URL // also when a proxy in front has changed the path
}

func peer(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap()
}

// faulty is a fault of the request as a refusal.
func faulty(f *credential.Fault) *Error {
	e := &Error{Code: f.Code, Status: f.Status, Description: f.Description, Cause: f.Cause}
	if f.Challenge {
		e.Challenge = &Challenge{Error: f.OAuth}
		if f.OAuth != "" {
			e.Challenge.Description = f.Description
		}
	}
	return e
}
