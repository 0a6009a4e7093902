package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// appendRequest appends head and body of q in wire form to b. host and target
// stand in for what q leaves empty. RFC 9112 §3
func appendRequest(b []byte, q *Request, host, target string) ([]byte, error) {
	if q.Host != "" {
		host = q.Host
	}
	if q.Target != "" {
		target = q.Target
	}
	if err := checkRequest(q.Method, target, host); err != nil {
		return b, err
	}
	b = append(b, q.Method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	for name, values := range q.Header {
		if ofConnection(name) {
			continue
		}
		if !isToken(name) {
			return b, fmt.Errorf("%w: field name %q", ErrRequest, name)
		}
		for _, v := range values {
			if !isFieldValue(v) {
				return b, fmt.Errorf("%w: value of field %q", ErrRequest, name)
			}
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
			b = append(b, "\r\n"...)
		}
	}
	if q.Body != nil || q.Method == "POST" || q.Method == "PUT" || q.Method == "PATCH" { // RFC 9110 §8.6
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(q.Body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	return append(b, q.Body...), nil
}

// checkRequest refuses what would not stay on the request line and in Host.
func checkRequest(method, target, host string) error {
	switch {
	case !isToken(method) || method == "CONNECT":
		return fmt.Errorf("%w: method %q", ErrRequest, method)
	case !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, isBlank):
		return fmt.Errorf("%w: target %q", ErrRequest, target)
	case strings.ContainsFunc(host, isBlank):
		return fmt.Errorf("%w: host %q", ErrRequest, host)
	}
	return nil
}

func isBlank(r rune) bool { return r <= ' ' || r == 0x7f }

// isToken reports whether s is a token. RFC 9110 §5.6.2
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("-!#$%&'*+.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isFieldValue reports whether s holds no control character but the tab.
// RFC 9110 §5.5
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// ofConnection reports whether a field speaks of a connection or of a
// message's framing, in any case of letters: those are ours to write.
// RFC 9110 §7.6.1, RFC 9112 §6
func ofConnection(name string) bool {
	switch len(name) {
	case 2:
		return strings.EqualFold(name, "TE")
	case 4:
		return strings.EqualFold(name, "Host")
	case 6:
		return strings.EqualFold(name, "Expect")
	case 7:
		return strings.EqualFold(name, "Trailer") || strings.EqualFold(name, "Upgrade")
	case 10:
		return strings.EqualFold(name, "Connection") || strings.EqualFold(name, "Keep-Alive")
	case 14:
		return strings.EqualFold(name, "Content-Length")
	case 16:
		return strings.EqualFold(name, "Proxy-Connection")
	case 17:
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// headEnd returns the length of the head that b starts with, or -1 while it
// has not ended. The bytes before from are known to hold no end.
func headEnd(b []byte, from int) int {
	for i := from; ; i++ {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n
		rest := b[i+1:]
		switch {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 2
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 3
		}
	}
}

// checkFraming refuses a head of which two recipients could read two lengths,
// and which net/http would settle by dropping a field. RFC 9112 §6.1, §6.3
func checkFraming(head []byte) error {
	var length, transfer bool
	first := true
	for line := range bytes.Lines(head) {
		name, _, field := bytes.Cut(line, []byte(":"))
		switch {
		case first || !field:
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			length = true
		case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			transfer = true
		case bytes.HasSuffix(name, []byte(" ")) || bytes.HasSuffix(name, []byte("\t")):
			return errors.New("blank before a colon") // RFC 9112 §5.1
		}
		first = false
	}
	if transfer && length {
		return errors.New("both Content-Length and Transfer-Encoding")
	}
	if transfer && bytes.HasPrefix(head, []byte("HTTP/1.0")) {
		return errors.New("Transfer-Encoding in HTTP/1.0")
	}
	return nil
}
