package apikey

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Bounds of a key's attributes, in characters where they are texts.
const (
	maxName     = 64
	maxNote     = 500
	maxReason   = 200
	maxNetworks = 100
)

// Spec is what the owner of a new key chooses.
type Spec struct {
	Name     string         // required: 1 to 64 printable characters
	Note     string         // at most 500 printable characters
	Tools    []string       // patterns for policy.Compile; none: no tool
	Networks []netip.Prefix // where calls may come from; none: anywhere
	Expires  time.Time      // zero: never; else in the future

	Limit       unit.Rate  // zero: no limit of its own
	Certificate Thumbprint // of the client certificate that it needs; zero: none
}

// Validate returns what is wrong with s at now, wrapped in [ErrInvalid].
func (s Spec) Validate(now time.Time) error {
	if !s.Expires.IsZero() && !s.Expires.After(now) {
		return fmt.Errorf("%w: expiry %s is not in the future", ErrInvalid, s.Expires.UTC().Format(time.RFC3339))
	}
	return Change{Name: &s.Name, Note: &s.Note, Tools: &s.Tools, Networks: &s.Networks, Limit: &s.Limit}.Validate()
}

// Change names the attributes of a key to change; nil leaves one as it is.
type Change struct {
	Name, Note *string
	Tools      *[]string
	Networks   *[]netip.Prefix
	Expires    *time.Time // to the zero time: never. To a past one: at once

	Limit       *unit.Rate  // to the zero rate: none of its own
	Certificate *Thumbprint // to the zero one: none is needed
}

// Validate returns what is wrong with c, wrapped in [ErrInvalid].
func (c Change) Validate() error {
	if c.Name != nil {
		if err := line("name", *c.Name, 1, maxName); err != nil {
			return err
		}
	}
	if c.Note != nil {
		if err := line("note", *c.Note, 0, maxNote); err != nil {
			return err
		}
	}
	if c.Tools != nil {
		if _, err := policy.Compile(*c.Tools); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	if c.Limit != nil {
		if r, err := unit.ParseRate(c.Limit.String()); err != nil || r != *c.Limit {
			return fmt.Errorf("%w: limit %s is no rate like 10/s, 60/min, 1000/h or 5/d", ErrInvalid, c.Limit)
		}
	}
	if c.Networks == nil {
		return nil
	}
	return networks(*c.Networks)
}

// Apply makes the change to k.
func (c Change) Apply(k *Key) {
	set(&k.Name, c.Name)
	set(&k.Note, c.Note)
	set(&k.Tools, c.Tools)
	set(&k.Networks, c.Networks)
	set(&k.Expires, c.Expires)
	set(&k.Limit, c.Limit)
	set(&k.Certificate, c.Certificate)
}

// set assigns what is given.
func set[T any](dest, value *T) {
	if value != nil {
		*dest = *value
	}
}

// networks refuses a prefix with bits beyond its length: 10.0.0.1/8 means
// either one address or all of ten, and guessing would let somebody in.
func networks(list []netip.Prefix) error {
	if len(list) > maxNetworks {
		return fmt.Errorf("%w: %d networks, at most %d", ErrInvalid, len(list), maxNetworks)
	}
	for _, p := range list {
		switch {
		case !p.IsValid():
			return fmt.Errorf("%w: a network is not valid", ErrInvalid)
		case p.Addr().Is4In6() || p.Addr().Zone() != "":
			return fmt.Errorf("%w: network %s: write the plain address", ErrInvalid, p)
		case p != p.Masked():
			return fmt.Errorf("%w: network %s: did you mean %s or %s?", ErrInvalid, p,
				p.Masked(), netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
		}
	}
	return nil
}

// line checks a text that people see on one line of a terminal.
func line(what, s string, least, most int) error {
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return fmt.Errorf("%w: %s of %d characters, want %d to %d", ErrInvalid, what, n, least, most)
	}
	if !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return fmt.Errorf("%w: %s %.80q is not UTF-8, or has spaces at an end", ErrInvalid, what, s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) { // controls, and what turns the line around: U+202E
			return fmt.Errorf("%w: %s contains %U, which does not print", ErrInvalid, what, r)
		}
	}
	return nil
}
