package safehttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// What is not wanted of an answer.
var (
	ErrTooLarge error = unwanted("the answer is too large")
	ErrEncoded  error = unwanted("the answer is compressed, which nobody asked for")
	ErrHTML     error = unwanted("the answer is a web page")
)

type unwanted string

func (u unwanted) Error() string { return string(u) }

// Answered says that there is a server, which has something else.
func (u unwanted) Answered() bool { return true }

// AddressError says that a host's address is not one that may be reached.
type AddressError struct {
	Host string
	Addr string // for operators only
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("%.253q is at %s, which is not a public address; if it is yours, allow it by name", e.Host, e.Addr)
}

// URLError says what is wrong with the text of a URL.
type URLError struct{ URL, Reason string }

func (e *URLError) Error() string { return fmt.Sprintf("%.500q: %s", e.URL, e.Reason) }

// RedirectError says where an answer pointed. Nobody went there.
type RedirectError struct {
	Status   int
	Location string // as the server wrote it
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("status %d redirects to %.500q, and redirects are not followed", e.Status, e.Location)
}

// Answered says that there is a server, which has something else.
func (e *RedirectError) Answered() bool { return true }

// StatusError says that an answer was not 200.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return "status " + strconv.Itoa(e.Status) }

// Answered says that there is a server, which has something else.
func (e *StatusError) Answered() bool { return true }

// Reason says in a few words why a fetch went wrong, without addresses and
// without anything that a server said: strangers may read it.
func Reason(err error) string {
	switch {
	case err == nil:
		return ""
	case is[*AddressError](err):
		return "address not allowed"
	case is[*URLError](err):
		return "URL not allowed"
	case is[*RedirectError](err):
		return "redirected"
	case errors.Is(err, ErrTooLarge):
		return "answer too large"
	case errors.Is(err, ErrEncoded):
		return "answer compressed"
	case errors.Is(err, ErrHTML):
		return "answer is a web page"
	case is[*tls.CertificateVerificationError](err):
		return "certificate not trusted"
	}
	var status *StatusError
	if errors.As(err, &status) {
		return status.Error()
	}
	if by := proxy.Of(err); by != nil {
		if by.Status != 0 {
			return "refused by the proxy (" + strconv.Itoa(by.Status) + ")"
		}
		return "no connection through the proxy"
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsTimeout:
			return "DNS timeout"
		case dns.IsNotFound:
			return "no such host"
		}
		return "DNS failure"
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return "timeout"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return "no connection"
	}
	return "not understood"
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
