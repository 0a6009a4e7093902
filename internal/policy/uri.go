package policy

import (
	"errors"
	"fmt"
	"strings"
)

// canonical says why a URI is not in the one form in which rules compare it,
// or nil. Whoever reads it another way than we do would be asked for something
// else than was allowed, so what has to be changed is refused instead.
// RFC 3986 §6.2
//
// '*' is a character of URIs, so this judges patterns too.
func canonical(uri string) error {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !isScheme(scheme) {
		return errors.New("it does not begin with a scheme in lower case")
	}
	if err := characters(rest); err != nil {
		return err
	}
	path := rest
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		end := strings.IndexAny(after, "/?")
		if end < 0 {
			end = len(after)
		}
		if err := authority(scheme, after[:end]); err != nil {
			return err
		}
		path = after[end:]
	} else if scheme == "file" {
		return errors.New("a file is written file:///path")
	}
	path, _, asks := strings.Cut(path, "?")
	if path == "" && (scheme == "http" || scheme == "https") {
		return errors.New("it has no path, where / goes without saying")
	}
	if asks && scheme == "file" {
		return errors.New("a file has no query")
	}
	return segments(path)
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}

// characters checks the bytes of a URI behind its scheme. RFC 3986 §2, §6.2.2
func characters(s string) error {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			if i+2 >= len(s) || !upperHex(s[i+1]) || !upperHex(s[i+2]) {
				return errors.New("it has a % that is not followed by two digits 0-9, A-F")
			}
			v := unhex(s[i+1])<<4 | unhex(s[i+2])
			if unreserved(v) || v < 0x20 || v == 0x7f || v == '/' || v == '\\' {
				return fmt.Errorf("it has %s, which some take for another character", s[i:i+3])
			}
			i += 2
		case c == '#':
			return errors.New("it has a fragment")
		case !unreserved(c) && strings.IndexByte("!$&'()*+,;=:@/?[]", c) < 0:
			return fmt.Errorf("it has %q, which has to be written as %%%02X", c, c)
		}
	}
	return nil
}

func upperHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'A' + 10
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func authority(scheme, host string) error {
	switch {
	case scheme == "file" && host != "":
		return errors.New("a file is written file:///path, without a host")
	case strings.Contains(host, "@"):
		return errors.New("it names a user before the host")
	case strings.ToLower(host) != host:
		return errors.New("its host is not in lower case")
	case strings.HasSuffix(host, ":"):
		return errPort
	}
	if standard, web := ports[scheme]; web {
		return webAuthority(host, standard)
	}
	return nil
}

// ports are those that go without saying. RFC 9110 §4.2, RFC 6455 §3
var ports = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}

var errPort = errors.New("it names the port that goes without saying")

// webAuthority refuses what else leads to the same host and port. RFC 3986 §6.2.3
func webAuthority(host, standard string) error {
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i+1:]
	}
	switch {
	case port == standard:
		return errPort
	case strings.HasPrefix(port, "0") || strings.Trim(port, "0123456789*") != "":
		return errors.New("its port is not a plain number")
	case strings.HasSuffix(name, "."):
		return errors.New("its host ends with a dot")
	case strings.Contains(name, ":") && !strings.HasPrefix(name, "["):
		return errors.New("its host has a colon in it")
	}
	return nil
}

// segments refuses what others would resolve before they look.
func segments(path string) error {
	for i, s := range strings.Split(path, "/") {
		switch {
		case s == "." || s == "..":
			return fmt.Errorf("it has the segment %q", s)
		case s == "" && i > 0 && strings.Contains(path, "//"):
			return errors.New("it has an empty segment")
		}
	}
	return nil
}

// uncanonical is why a URI that somebody asks for is refused, or nil.
func uncanonical(uri string) error {
	if err := canonical(uri); err != nil {
		return fmt.Errorf("the URI is not written as rules compare it: %w", err)
	}
	return nil
}
