package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

// authserver looks at our own authorization server, from outside and at what it needs.
var authserver = Check{"authserver", "our own: its metadata as others get it, and the key that its secrets are sealed under", func(ctx context.Context, m *Machine, r *report) {
	if r.noFile(m) {
		return
	}
	m.judgeSealKey(r)
	issuer := m.Config.OwnIssuer()
	switch {
	case m.Config.Auth.Embedded == nil:
		r.ok("there is none of ours")
		return
	case m.Status == nil:
		r.unknown("start it, and ask again", "%s is not asked: no server runs", issuer)
		return
	}
	at := strings.TrimSuffix(issuer, "/") + "/.well-known/oauth-authorization-server" // RFC 8414 §3.1
	a, err := get(ctx, direct(m.Roots), at)
	switch {
	case err != nil:
		r.unknown("from another machine: gatehouse check URL", "%s is not reached from this machine: %s", at, bare(err))
	case a.status != http.StatusOK:
		r.fail("GH-2419", "have the proxy in front send every path of this host to gatehouse, /.well-known/ too", "%s answers %d", at, a.status)
	default:
		if d, err := discovery.Parse(a.body, issuer); err != nil {
			r.fail("GH-2419", "make auth.embedded.issuer, server.public_url and what the proxy serves the same, letter by letter", "%s is not the metadata of %s: %v", at, issuer, err)
		} else {
			r.ok("%s is the metadata of %s", at, d.Issuer)
		}
	}
}}

// judgeSealKey wants the key back that the database was sealed under. Without it
// no server starts that signs.
func (m *Machine) judgeSealKey(r *report) {
	if k := m.Config.Store.EncryptionKey; k != "" {
		if _, err := seal.Derive(k.Reveal()); err != nil {
			r.fail("GH-2020", "make one: openssl rand -base64 32", "store.encryption_key: %v", err)
			return
		}
		r.ok("secrets in the database are sealed under store.encryption_key")
		return
	}
	path := filepath.Join(filepath.Dir(m.Database), seal.File)
	text, err := seal.ReadFile(path)
	_, there := os.Stat(m.Database)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (there != nil || m.Config.Auth.Embedded == nil):
		r.ok("%s is made when it is needed", path)
	case errors.Is(err, fs.ErrNotExist) && m.Status == nil:
		r.unknown("if a server of this database has signed before, put the file back from where you keep it", "%s is not there; if it was, no server starts that signs", path)
	case errors.Is(err, fs.ErrNotExist):
		r.fail("GH-2020", "put it back from where you keep it, before the next start", "%s is missing, and the server that runs has sealed its secrets under it", path)
	case err != nil:
		r.fail("GH-2020", "chmod 600 "+path+", if nobody else has read it; else keys have to be made anew", "%v", err)
	default:
		if _, err := seal.Derive(text); err != nil {
			r.fail("GH-2020", "put the right one back from where you keep it", "%s: %v", path, err)
			return
		}
		r.ok("%s is there, and nobody else can read it. Keep a copy in another place than the database's", path)
	}
}

// object reads a JSON object; nil: it is none.
func object(body []byte) map[string]any {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	return members
}
