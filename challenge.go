package gatehouse

import (
	"cmp"
	"strconv"
	"strings"
)

// Challenge is the WWW-Authenticate header of a refusal. RFC 6750 §3
type Challenge struct {
	Scheme           string // "DPoP" asks for a bound token (RFC 9449 §7.1); empty: "Bearer"
	Error            string // error; empty when no credential was sent
	Description      string // error_description
	Scope            string // scope: everything the operation needs
	ResourceMetadata string // resource_metadata. RFC 9728 §5.1
	MaxAge           int64  // max_age: seconds since the caller may have signed in at most; 0: any. RFC 9470 §3
	Algorithms       string // algs: what a proof may be signed with, blanks between. RFC 9449 §7.1

	// Nonce is not part of the header: whoever writes the challenge sends it as
	// DPoP-Nonce beside it. RFC 9449 §9
	Nonce string
}

// String returns the header's value. A character that a quoted string cannot
// hold is left out, so no value can add a parameter or a line.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(cmp.Or(c.Scheme, "Bearer"))
	sep := " "
	for _, p := range [...]struct{ name, value string }{
		{"realm", "gatehouse"},
		{"error", c.Error},
		{"error_description", c.Description},
		{"scope", c.Scope},
		{"max_age", number(c.MaxAge)},
		{"resource_metadata", c.ResourceMetadata},
		{"algs", c.Algorithms},
	} {
		if p.value == "" {
			continue
		}
		b.WriteString(sep + p.name + `="`)
		for _, r := range p.value {
			if r >= 0x20 && r <= 0x7e && r != '"' && r != '\\' { // RFC 6750 §3
				b.WriteRune(r)
			}
		}
		b.WriteByte('"')
		sep = ", "
	}
	return b.String()
}

func number(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
