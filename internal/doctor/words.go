package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// codeOf takes an error of the assembly apart; other has no code.
func codeOf(err error, other string) (code, text string) {
	if e, ok := errors.AsType[*adminapi.Error](err); ok {
		return e.Code, strings.TrimSuffix(e.Message, ".")
	}
	return other, err.Error()
}

// hostOf is the host of a URL, without its port.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// bare is an error of net/http without the URL: a query may hold what nobody is to see.
func bare(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// shown is a URL as it may be shown: without a password and a query.
func shown(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(no URL)"
	}
	if u.User != nil {
		u.User = url.User("‹removed›")
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	u.Fragment = ""
	return u.String()
}

func tlsWith(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}
