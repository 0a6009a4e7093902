package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// hidden stands for a value that is shown to nobody.
const hidden = `"[redacted]"`

// maxDepth is how deep arguments may be nested to be written down.
const maxDepth = 32

// secretive are the names of members whose values are secrets, and parts of
// such names: in lower case and without what separates words.
var secretive = struct{ names, parts []string }{
	names: []string{"auth", "pwd", "pass", "pin", "otp", "totp", "dsn", "jwt", "cvv", "cvc", "ssn", "sid", "pem", "sas"},
	parts: []string{
		"password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "authorization", "credential", "privatekey",
		"accesskey", "signingkey", "encryptionkey", "sshkey", "masterkey", "cookie", "bearer", "connectionstring", "sessionid", "cardnumber", "signature",
	},
}

// Redact returns arguments as they may be written down: JSON of one line and
// bounded size, in which members whose names are in hide, or look secret, have
// no value at any depth, and API keys of ours are cut to their ids. Arguments
// that are no JSON become a string that says so.
func Redact(args []byte, hide policy.Tools) []byte {
	r := redactor{in: json.NewDecoder(bytes.NewReader(args)), hide: hide, out: make([]byte, 0, min(len(args)+16, maxArgs))}
	r.in.UseNumber()
	if err := r.value(0); err != nil {
		return []byte(`"[not JSON]"`)
	}
	if _, err := r.in.Token(); !errors.Is(err, io.EOF) {
		return []byte(`"[not JSON]"`)
	}
	return r.out
}

// redactor copies one JSON value. What no longer fits is left out, and "…"
// stands in its place.
type redactor struct {
	in   *json.Decoder
	hide policy.Tools
	out  []byte
	full bool
}

// reserve is what closes everything that can be open, with a "…" each.
const reserve = maxDepth * len(`,"…":"…"}`)

// fits says whether n more bytes may be written.
func (r *redactor) fits(n int) bool {
	if len(r.out)+n > maxArgs-reserve {
		r.full = true
	}
	return !r.full
}

func (r *redactor) value(depth int) error {
	t, err := r.in.Token()
	if err != nil {
		return err
	}
	switch v := t.(type) {
	case json.Delim:
		if depth >= maxDepth {
			r.out = append(r.out, `"…"`...)
			return r.skip()
		}
		return r.container(v, depth)
	case string:
		// A value is cut where the whole would overflow, but not a name.
		room := maxArgs - reserve - len(r.out)
		r.out = appendText(r.out, v, max(room, len(`…`)))
	case json.Number:
		if !r.fits(len(v)) {
			r.out = append(r.out, `"…"`...)
			return nil
		}
		r.out = append(r.out, v...)
	case bool:
		if v {
			r.out = append(r.out, "true"...)
		} else {
			r.out = append(r.out, "false"...)
		}
	default:
		r.out = append(r.out, "null"...)
	}
	return nil
}

// container copies what an object or array holds, and its end.
func (r *redactor) container(open json.Delim, depth int) error {
	closing, first := byte(open)+2, true // '[' and ']', '{' and '}' are two apart
	r.out = append(r.out, byte(open))
	for r.in.More() {
		if !r.fits(len(`,"…":"[redacted]"`)) {
			return r.rest(closing, first)
		}
		if !first {
			r.out = append(r.out, ',')
		}
		first = false
		if open == '[' {
			if err := r.value(depth + 1); err != nil {
				return err
			}
			continue
		}
		if err := r.member(depth); err != nil {
			return err
		}
	}
	_, err := r.in.Token() // the end
	r.out = append(r.out, closing)
	return err
}

func (r *redactor) member(depth int) error {
	t, err := r.in.Token()
	if err != nil {
		return err
	}
	name, _ := t.(string)
	r.out = append(appendText(r.out, name, maxName), ':')
	if !r.secret(name) {
		return r.value(depth + 1)
	}
	r.out = append(r.out, hidden...)
	return r.skipValue()
}

// rest leaves out what a container still holds.
func (r *redactor) rest(closing byte, first bool) error {
	if !first {
		r.out = append(r.out, ',')
	}
	if closing == '}' {
		r.out = append(r.out, `"…":`...)
	}
	r.out = append(append(r.out, `"…"`...), closing)
	return r.skip()
}

// skip reads to the end of the container that is open.
func (r *redactor) skip() error {
	for open := 1; open > 0; {
		t, err := r.in.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
	}
	return nil
}

func (r *redactor) skipValue() error {
	t, err := r.in.Token()
	if _, ok := t.(json.Delim); ok && err == nil {
		return r.skip()
	}
	return err
}

// secret says whether a member's value is nobody's business.
func (r *redactor) secret(name string) bool {
	if r.hide.Allows(name) {
		return true
	}
	folded := strings.Map(func(c rune) rune {
		switch {
		case c == '_' || c == '-' || c == '.' || c == ' ':
			return -1
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		}
		return c
	}, name)
	for _, n := range secretive.names {
		if folded == n {
			return true
		}
	}
	for _, p := range secretive.parts {
		if strings.Contains(folded, p) {
			return true
		}
	}
	return false
}
