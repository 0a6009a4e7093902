package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
)

// CheckPath says why a path cannot be served, or nil.
func CheckPath(path string) error {
	if !servedPath().MatchString(path) || strings.Contains(path, "..") {
		return fmt.Errorf(`%q is not a path like /mcp: no trailing "/", no dots at the start of a segment, letters, digits and ._~- only`, path)
	}
	return nil
}

// CheckUpstreamURL says why a URL cannot be an upstream, or nil.
func CheckUpstreamURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("is not a URL") // the parser's error repeats the text, and with it a password
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("needs to begin with http:// or https://")
	case u.User != nil:
		return fmt.Errorf("carries a user name or password; an upstream's credential has no place in a URL, where logs and process lists show it")
	case u.Hostname() == "":
		return fmt.Errorf("names no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("carries a query or fragment; give the bare address, as in %s", (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
	}
	return nil
}

// CheckPublicURL says why a URL cannot be the one callers use, or nil.
// Empty is allowed.
func CheckPublicURL(text string) error {
	if text == "" {
		return nil
	}
	if err := checkBareURL(text); err != nil {
		return err
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "https" && !Loopback(u.Hostname()) {
		return plainHTTP{fmt.Sprintf("is %s. HTTPS is required except on loopback. Give tls.acme, tls.files, or tls.terminated_by_proxy: true with trusted_proxies", text)}
	}
	return nil
}

// checkBareURL is what of CheckPublicURL is about how it is written.
func checkBareURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is not an address like https://mcp.example.com") // the text may hold a password
	case u.Path != "" && u.Path != "/":
		return fmt.Errorf("%q has a path; the path of the MCP server is added to it", text)
	case !hostName().MatchString(u.Hostname()) && net.ParseIP(u.Hostname()) == nil:
		return fmt.Errorf("%q needs the name of one host, in lower case", text)
	}
	return nil
}

// CheckOrigin says why a text is not an origin that a browser sends, or nil.
// RFC 6454 §6.2
func CheckOrigin(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != text || strings.ToLower(text) != text || strings.Contains(text, "*") {
		return fmt.Errorf("%q is not an origin like https://app.example.com: scheme and host in lower case, no path", text)
	}
	return nil
}

var hostName = pattern.Lazy(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// CheckHost says why a text is not the name of one host, or nil.
func CheckHost(text string) error {
	switch {
	case strings.Contains(text, "*"):
		return fmt.Errorf("%q would match other hosts too; name each", text)
	case net.ParseIP(text) != nil:
		return fmt.Errorf("%q is an address, not the name of a host", text)
	case len(text) > 253 || !hostName().MatchString(text):
		return fmt.Errorf("%.80q is not the name of a host like mcp.example.com: lower case, no scheme, no port", text)
	}
	return nil
}

// longestSocket is what a unix socket's path may have on every system.
const longestSocket = 100

// CheckAddress says why a text is nothing to listen on, or nil: it is host:port,
// a port alone, unix:/path or systemd:NAME.
func CheckAddress(text string) error {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if path == "" || len(path) > longestSocket {
			return fmt.Errorf("%.120q needs a path of 1 to %d bytes after unix:", text, longestSocket)
		}
		return nil
	}
	if name, ok := strings.CutPrefix(text, "systemd:"); ok {
		if !serverName().MatchString(name) {
			return fmt.Errorf("%.80q needs the name of a socket (FileDescriptorName=) after systemd:", text)
		}
		return nil
	}
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		return nil
	}
	if strings.HasPrefix(text, ":") && strings.Count(text, ":") == 1 {
		return fmt.Errorf(`%q does not say where. Write %s for this machine alone, or "0.0.0.0%s" for everybody; a leading colon is an error of YAML inside { }`, text, strings.TrimPrefix(text, ":"), text)
	}
	return checkHostPort(text)
}

func checkHostPort(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%.80q is not HOST:PORT, as in %s", text, DefaultListen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%.80q has no port between 0 and 65535", text)
	}
	if strings.Contains(host, "*") {
		return fmt.Errorf(`%.80q: for every address write "0.0.0.0:%s"`, text, port)
	}
	return nil
}

// Local says whether an address to listen on can only be reached from this
// machine. Of a socket that systemd opened nobody knows before it is there.
func Local(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	return err == nil && Loopback(host)
}

// Loopback says whether a host can only be reached from this machine.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Bounds of a pattern of tools; package policy compiles no more than that.
const maxPattern = 128 // characters

// CheckPattern says why a pattern of tools would not be compiled, or nil. A test
// holds it to package policy, which stands on a floor above.
func CheckPattern(p string) error {
	if n := utf8.RuneCountInString(p); n == 0 || n > maxPattern {
		return fmt.Errorf("is a pattern of %d characters, want 1 to %d", n, maxPattern)
	}
	if !utf8.ValidString(p) {
		return errors.New("is a pattern that is not UTF-8")
	}
	for _, r := range p {
		if r == ',' || r == ' ' || !unicode.IsPrint(r) {
			return fmt.Errorf("is a pattern with %q in it; give several as a list", r)
		}
	}
	return nil
}

func checkEmail(text string) error {
	user, host, ok := strings.Cut(text, "@")
	if !ok || user == "" || strings.ContainsAny(text, " ,<>") || CheckHost(strings.ToLower(host)) != nil {
		return fmt.Errorf("%.80q is not an address like ops@example.com", text)
	}
	return nil
}

func checkDirectory(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return errors.New("is not an address like https://acme.example.com/directory")
	}
	return nil
}
