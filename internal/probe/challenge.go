package probe

import (
	"strings"
)

// challenge is one challenge of WWW-Authenticate. RFC 9110 §11.6.1
type challenge struct {
	scheme string            // in lower case
	params map[string]string // by name in lower case
	twice  bool              // a parameter occurs more than once
}

// challenges reads WWW-Authenticate headers leniently, as clients do: what
// cannot be read ends a challenge.
func challenges(headers []string) []challenge {
	var all []challenge
	for _, h := range headers {
		p := &reader{rest: h}
		for {
			p.skip(" \t,")
			name := p.token()
			if name == "" {
				break
			}
			if p.peek('=') && len(all) > 0 { // a parameter of the last one
				all[len(all)-1].set(name, p.value())
				continue
			}
			all = append(all, challenge{scheme: strings.ToLower(name), params: map[string]string{}})
		}
	}
	return all
}

func (c *challenge) set(name, value string) {
	name = strings.ToLower(name)
	if _, ok := c.params[name]; ok {
		c.twice = true
		return // the first counts
	}
	c.params[name] = value
}

// reader takes a header apart.
type reader struct{ rest string }

func (r *reader) skip(set string) { r.rest = strings.TrimLeft(r.rest, set) }

// token takes a token. RFC 9110 §5.6.2
func (r *reader) token() string {
	n := 0
	for n < len(r.rest) && (r.rest[n] > 0x20 && r.rest[n] < 0x7f && strings.IndexByte(`,;="()<>@:\/[]?{}`, r.rest[n]) < 0) {
		n++
	}
	t := r.rest[:n]
	r.rest = r.rest[n:]
	return t
}

// peek says whether the character comes next, blanks aside.
func (r *reader) peek(c byte) bool {
	rest := strings.TrimLeft(r.rest, " \t")
	return rest != "" && rest[0] == c
}

// value takes what is behind the next equals sign: a quoted string, or all up to the next comma or blank.
func (r *reader) value() string {
	r.skip(" \t")
	r.skip("=")
	r.skip(" \t")
	if !strings.HasPrefix(r.rest, `"`) {
		n := strings.IndexAny(r.rest, ", \t")
		if n < 0 {
			n = len(r.rest)
		}
		v := r.rest[:n]
		r.rest = r.rest[n:]
		return v
	}
	var b strings.Builder
	i := 1
	for ; i < len(r.rest) && r.rest[i] != '"'; i++ {
		if r.rest[i] == '\\' && i+1 < len(r.rest) {
			i++
		}
		b.WriteByte(r.rest[i])
	}
	r.rest = r.rest[min(i+1, len(r.rest)):]
	return b.String()
}

// bearerOf returns the challenge of Bearer, or of DPoP where that is the only way
// (RFC 9449 §7.1); nil: there is neither.
func bearerOf(all []challenge) *challenge {
	for _, scheme := range []string{"bearer", "dpop"} {
		for i := range all {
			if all[i].scheme == scheme {
				return &all[i]
			}
		}
	}
	return nil
}
