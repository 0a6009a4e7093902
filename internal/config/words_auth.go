package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
)

// algorithms are what an issuer may sign with. RFC 7518 §3.1, RFC 8037 §3.1
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func checkAlgorithm(alg string) error {
	switch {
	case slices.Contains(algorithms, alg):
		return nil
	case strings.HasPrefix(strings.ToUpper(alg), "HS"):
		return fmt.Errorf("%.20q is a shared secret: whoever can verify a token could make one. Have the provider sign with a key pair", alg)
	case strings.EqualFold(alg, "none"):
		return errors.New(`"none" is no signature: anybody could be anybody`)
	}
	hint := ""
	if near := closest(alg, algorithms); near != "" {
		hint = fmt.Sprintf(". Did you mean %q?", near)
	}
	return fmt.Errorf("%.20q is not %s%s", alg, choice(algorithms), hint)
}

// maxClaimPath bounds a path, in bytes.
const maxClaimPath = 256

// checkClaimPath says why a text is no path into claims, or nil; gatehouse.ClaimMap
// explains paths.
func checkClaimPath(path string) error {
	if text, ok := strings.CutPrefix(path, "="); ok {
		if text == "" {
			return errors.New(`"=" stands before a text that is meant as it is, and there is none`)
		}
		return nil
	}
	parts := strings.Split(path, ".")
	switch {
	case len(path) > maxClaimPath:
		return fmt.Errorf("is a path of %d bytes, and %d are the most", len(path), maxClaimPath)
	case slices.Contains(parts, ""):
		return fmt.Errorf("%.80q is a path with an empty name in it", path)
	case parts[0] == "*":
		return fmt.Errorf("%.80q would take every claim there is", path)
	}
	return nil
}

// scopeToken is what a scope's name may have. RFC 6749 §3.3
var scopeToken = pattern.Lazy(`^[\x21\x23-\x5b\x5d-\x7e]{1,128}$`)

func checkScope(name string) error {
	if !scopeToken().MatchString(name) {
		return fmt.Errorf(`%.80q is not the name of a scope: no blanks, quotes or backslashes, 128 characters at most`, name)
	}
	return nil
}

var attributeName = pattern.Lazy(`^[a-z_][a-z0-9_]{0,62}$`)

func checkAttribute(name string) error {
	switch {
	case name == "name":
		return errors.New("is the tenant's own name; call it otherwise")
	case !attributeName().MatchString(name):
		return fmt.Errorf("%.80q is not the name of an attribute: a-z, 0-9 and '_'", name)
	}
	return nil
}

// checkPrivate judges a host or network that may be reached though it is private.
func checkPrivate(text string) error {
	if p, err := netip.ParsePrefix(text); err == nil {
		switch {
		case p != p.Masked():
			return fmt.Errorf("%.60q has bits beyond its length; did you mean %s?", text, p.Masked())
		case p.Bits() == 0:
			return fmt.Errorf("%.60q is everything, the metadata service of a cloud included", text)
		}
		return nil
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return nil
	}
	return CheckHost(text)
}

// checkFetched says why a URL of an issuer is none that is fetched, or nil. Plain
// HTTP and what is private is for the hosts that the operator named.
func checkFetched(text string, private []string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is not a URL like https://login.example.com") // the parser's error repeats the text
	case u.User != nil:
		return errors.New("carries a user name or password")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return fmt.Errorf("%.120q has a fragment", text)
	case u.Scheme == "http" && !named(u.Hostname(), private):
		return fmt.Errorf("%.120q is plain HTTP: whoever is on the way could put other keys in. For a provider on this machine or network, say private: [%s]", text, u.Hostname())
	}
	return nil
}

// checkIssuerURL says why a text cannot be an issuer. RFC 8414 §2
func checkIssuerURL(text string, private []string) error {
	if err := checkFetched(text, private); err != nil {
		return err
	}
	if strings.Contains(text, "?") {
		return fmt.Errorf("%.120q has a query, and issuers have none", text)
	}
	return nil
}

// named says whether a host is one of those that the operator listed.
func named(host string, private []string) bool {
	addr, err := netip.ParseAddr(host)
	return slices.ContainsFunc(private, func(p string) bool {
		if strings.EqualFold(p, host) {
			return true
		}
		network, perr := netip.ParsePrefix(p)
		return err == nil && perr == nil && network.Contains(addr.Unmap())
	})
}
