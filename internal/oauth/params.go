package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Bounds of a request.
const (
	maxBody   = 64 << 10 // bytes of a form, and of a query
	maxParams = 100
)

// Params are the parameters of a request: each there once, and none empty.
type Params struct {
	values map[string][]string
}

// Get returns a parameter's value, the first of those that may be repeated;
// empty: it is absent.
func (p *Params) Get(name string) string {
	if v := p.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// All returns every value of a parameter that may be repeated. RFC 8707 §2
func (p *Params) All(name string) []string { return p.values[name] }

// Encode returns the parameters as a form, sorted by name.
func (p *Params) Encode() string { return url.Values(p.values).Encode() }

// repeatable are the parameters that may be there several times. RFC 8707 §2, RFC 8693 §2.1
var repeatable = map[string]bool{"resource": true, "audience": true}

// ReadForm reads the parameters of a request's body, of 64 KiB at most. The query
// is not looked at: a secret in it must not work. RFC 6749 §2.3.1, §3.2
func ReadForm(r *http.Request) (*Params, *Error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || len(r.Header.Values("Content-Type")) != 1 {
		return nil, unreadable("the body has to be application/x-www-form-urlencoded", err)
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, unreadable("the body must not be compressed", nil)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &Error{Code: InvalidRequest, Description: "the body is larger than 64 KiB", Status: http.StatusRequestEntityTooLarge, Ref: "GH-1400"}
	case err != nil:
		return nil, unreadable("the body ended early or came too slowly", err)
	}
	return ParseParams(string(body))
}

// ReadQuery reads the parameters of a request's query.
func ReadQuery(r *http.Request) (*Params, *Error) { return ParseParams(r.URL.RawQuery) }

// ParseParams reads an encoded form strictly: what two readers may read
// differently is refused. OAuth 2.1 §3.1
func ParseParams(encoded string) (*Params, *Error) {
	if len(encoded) > maxBody {
		return nil, unreadable("the parameters are longer than 64 KiB", nil)
	}
	if strings.Count(encoded, "&") >= maxParams {
		return nil, unreadable("there are more than 100 parameters", nil)
	}
	values, err := url.ParseQuery(encoded) // it refuses semicolons and broken escapes
	if err != nil {
		return nil, unreadable("the parameters are not encoded as a form", nil) // err repeats them, secrets too
	}
	for name, all := range values {
		if !clean(name) {
			return nil, unreadable("the name of a parameter is not UTF-8 text", nil)
		}
		if len(all) > 1 && !repeatable[name] {
			return nil, unreadable("a parameter is there twice"+named(name), nil)
		}
		kept := all[:0]
		for _, v := range all {
			if !clean(v) {
				return nil, unreadable("a parameter is not UTF-8 text"+named(name), nil)
			}
			if v != "" { // a parameter without a value counts as left out. RFC 6749 §3.1
				kept = append(kept, v)
			}
		}
		if len(kept) == 0 {
			delete(values, name)
			continue
		}
		values[name] = kept
	}
	return &Params{values: values}, nil
}

// clean says whether a text survives being stored and sent on.
func clean(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// named adds a parameter's name to a description, if it can stand in one.
func named(name string) string {
	if len(name) > 40 || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && r != '-' && (r < 'a' || r > 'z')
	}) {
		return ""
	}
	return ": " + name
}

func unreadable(description string, cause error) *Error {
	return &Error{Code: InvalidRequest, Description: description, Ref: "GH-1400", Cause: cause}
}
