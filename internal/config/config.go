// Package config is the shape of an installation: what listens, which MCP
// server stands behind it, who may call it and where the state lies. It is read
// from a strict YAML file, or filled in by a command that needs no file.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Defaults of what neither the file nor a flag says.
const (
	DefaultListen   = "127.0.0.1:8080"
	DefaultPath     = "/mcp"
	DefaultMaxBody  = 4 << 20 // bytes of one request
	DefaultGrace    = 10 * time.Second
	DefaultHSTS     = 365 * 24 * time.Hour
	DefaultIdentity = "X-Gatehouse-Identity" // header of the signed identity
	Database        = "gatehouse.db"
	AuditFile       = "audit.jsonl"
	AuditMaxSize    = 100 << 20
	AuditKeep       = 10
)

var (
	serverName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	servedPath   = regexp.MustCompile(`^(/|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// StateDir returns the directory of the database, "" when the file names none.
func (c *Config) StateDir() string {
	if c.Store.SQLite == "" {
		return ""
	}
	return filepath.Dir(c.Store.SQLite)
}

// Check returns every reason why the configuration cannot be served, as
// Mistakes, or nil. What it judges is also judged while a file is read, where
// the mistake's line is known.
func (c *Config) Check() error {
	var all Mistakes
	add := func(field string, err error) {
		if err != nil {
			all = append(all, mistakeOf(field, err))
		}
	}
	add("server.listen", CheckListen(c.Server.Listen, c.Server.PublicURL))
	add("server.public_url", CheckPublicURL(c.Server.PublicURL))
	for _, o := range c.Server.AllowOrigins {
		add("server.allow_origins", CheckOrigin(o))
	}
	if len(c.Servers) != 1 {
		add("servers", fmt.Errorf("one server is needed, got %d", len(c.Servers)))
	}
	for i, u := range c.Servers {
		for field, err := range u.check() {
			add(fmt.Sprintf("servers[%d]%s", i, field), err)
		}
	}
	// Deny is what happens when nothing else did: leaving these out must not
	// mean "everybody" and would otherwise mean "nobody", silently.
	if c.Auth.APIKeys == nil {
		add("auth", fmt.Errorf(`nobody could sign in. Say "auth: {api_keys: {}}"`))
	}
	if c.Policy.Default != Allow {
		add("policy.default", fmt.Errorf(`is missing, so every call would be denied. Say "policy: {default: allow}" to let each key call the tools it was made for`))
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// check yields a field's name and what is wrong with it.
func (u *Upstream) check() map[string]error {
	wrong := map[string]error{}
	if !serverName.MatchString(u.Name) {
		wrong[".name"] = fmt.Errorf("%q is not a name: letters, digits, '.', '_' and '-', 64 at most", u.Name)
	}
	if u.Path != "" {
		if err := CheckPath(u.Path); err != nil {
			wrong[".path"] = err
		}
	}
	switch {
	case u.URL == "" && u.Stdio == nil:
		wrong[""] = fmt.Errorf("needs a url or stdio")
	case u.URL != "" && u.Stdio != nil:
		wrong[""] = fmt.Errorf("has both url and stdio; one server is one of them")
	case u.URL != "":
		if err := CheckUpstreamURL(u.URL); err != nil {
			wrong[".url"] = err
		}
	case len(u.Stdio.Command) == 0 || u.Stdio.Command[0] == "":
		wrong[".stdio.command"] = fmt.Errorf("is empty")
	}
	return wrong
}

// CheckPath says why a path cannot be served, or nil.
func CheckPath(path string) error {
	if !servedPath.MatchString(path) || strings.Contains(path, "..") {
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
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("%q is not an address like https://mcp.example.com", text)
	case u.Scheme != "https":
		return plainHTTP{fmt.Sprintf("%s is not HTTPS, which is required except on loopback", text)}
	case u.Path != "" && u.Path != "/":
		return fmt.Errorf("%q has a path; the path of the MCP server is added to it", text)
	}
	return nil
}

// CheckOrigin says why a text is not an origin that a browser sends, or nil.
// RFC 6454 §6.2
func CheckOrigin(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != text || strings.ToLower(text) != text {
		return fmt.Errorf("%q is not an origin like https://app.example.com: scheme and host in lower case, no path", text)
	}
	return nil
}

// CheckListen says why an address cannot be listened on, or nil. Callers beyond
// this machine would send keys in the clear, so anything but loopback needs a
// public URL with https, where a proxy ends TLS.
func CheckListen(address, publicURL string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT, as in %s", address, DefaultListen)
	}
	if _, err := net.LookupPort("tcp", port); err != nil || port == "" {
		return fmt.Errorf("%q has no port between 0 and 65535", address)
	}
	if Loopback(host) || strings.HasPrefix(publicURL, "https://") {
		return nil
	}
	return plainHTTP{fmt.Sprintf("%s is not loopback, and keys would travel in the clear. Listen on %s, or name the HTTPS address of the proxy in front with --public-url https://…", address, DefaultListen)}
}

// Loopback says whether a host can only be reached from this machine.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
