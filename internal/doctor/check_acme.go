package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// CAA is a record that says who may issue certificates for a name. RFC 8659 §4.1
type CAA struct{ Tag, Value string }

const letsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// judgeACME looks at all that certificates by ACME hang on: who gives them, whether
// they may, where they reach us, and what we have of them already.
func (m *Machine) judgeACME(ctx context.Context, r *report, a *config.ACME) {
	directory := m.judgeDirectory(ctx, r, a)
	names := m.certified(a)
	found := make([]*report, len(names))
	var each sync.WaitGroup
	for i, name := range names {
		found[i] = &report{group: r.group}
		each.Go(func() {
			kept := m.judgeIssued(ctx, found[i], name)
			m.judgeCAA(ctx, found[i], name, directory)
			if a.DNS == nil && m.Status != nil {
				m.judgeReach(ctx, found[i], name, kept)
			}
		})
	}
	each.Wait()
	for _, one := range found {
		r.lines = append(r.lines, one.lines...)
	}
	if a.DNS != nil {
		r.unknown("gatehouse status and the server's log say how an order went", "whether %s takes our updates is seen when a certificate is ordered", a.DNS.Server)
	}
}

// certified are the names that need a certificate.
func (m *Machine) certified(a *config.ACME) (names []string) {
	for _, name := range a.Domains {
		names = append(names, strings.ToLower(strings.TrimSuffix(name, ".")))
	}
	if len(names) > 0 {
		return names
	}
	for _, h := range m.hosts() {
		if h.public {
			names = append(names, h.host)
		}
	}
	return names
}

// judgeDirectory asks whether there is a server that gives certificates; nil: there
// is none. RFC 8555 §7.1.1
func (m *Machine) judgeDirectory(ctx context.Context, r *report, a *config.ACME) *answer {
	at, client, err := m.acme(a)
	if err != nil {
		r.fail("GH-2034", "name a PEM file of authorities", "server.tls.acme.ca %s cannot be used", a.CA)
		return nil
	}
	res, err := get(ctx, client, at)
	switch {
	case err != nil:
		r.fail("GH-2034", "see that this machine reaches it, and that the URL is right", "the ACME server %s does not answer: %s", shown(at), bare(err))
	case res.status != http.StatusOK || !res.has("newOrder"):
		r.fail("GH-2034", "give server.tls.acme.directory the URL of a directory. RFC 8555 §7.1.1", "%s is no directory of an ACME server (status %d)", shown(at), res.status)
	default:
		r.ok("the ACME server %s answers", shown(at))
		return res
	}
	return nil
}

// acme is where the directory is, and how it is asked.
func (m *Machine) acme(a *config.ACME) (string, *http.Client, error) {
	at, roots := a.Directory, m.Roots
	if at == "" {
		at = letsEncrypt
	}
	if a.CA != "" {
		text, err := os.ReadFile(a.CA)
		if roots = x509.NewCertPool(); err != nil || !roots.AppendCertsFromPEM(text) {
			return at, nil, errors.New("there is no certificate in it")
		}
	}
	return at, direct(roots), nil
}

// judgeIssued looks at the certificate that is kept for a name. It is renewed when a
// third of its life is left, so one that is about to end could not be.
func (m *Machine) judgeIssued(ctx context.Context, r *report, name string) *x509.Certificate {
	const fix = "gatehouse status and the server's log say why: mostly that the authority does not reach this machine, or its limits"
	leaf, err := m.Issued(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && m.Status == nil:
		r.unknown("start it, then: gatehouse status. Port 443 or 80 has to be reached from the internet", "there is no certificate for %s yet: the first start orders one", name)
		return nil
	case errors.Is(err, fs.ErrNotExist):
		r.fail("GH-2034", fix, "the server runs, and has got no certificate for %s", name)
		return nil
	case err != nil:
		r.fail("GH-2034", "run this as the account that gatehouse runs as; what is damaged is ordered anew when it is moved away", "the certificate that is kept for %s cannot be read: %v", name, err)
		return nil
	}
	switch left, now := leaf.NotAfter.Sub(m.Now()), m.Now(); {
	case left <= 0:
		r.fail("GH-2034", fix, "the certificate of %s ended on %s, and was not renewed", name, day(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		r.fail("GH-2034", "see that the clock is right, or wait", "the certificate of %s is not valid before %s", name, day(leaf.NotBefore))
	case left < leaf.NotAfter.Sub(leaf.NotBefore)/6 && m.Status != nil:
		r.warn("GH-2034", fix, "the certificate of %s ends on %s, and should have been renewed by now", name, day(leaf.NotAfter))
	default:
		r.ok("the certificate of %s is valid until %s, and renewed before", name, day(leaf.NotAfter))
	}
	return leaf
}

// judgeCAA sees whether the DNS lets the authority issue. The first name upwards that
// has such records decides. RFC 8659 §3
func (m *Machine) judgeCAA(ctx context.Context, r *report, name string, directory *answer) {
	if directory == nil {
		return
	}
	meta, _ := directory.members["meta"].(map[string]any)
	list, _ := meta["caaIdentities"].([]any) // RFC 8555 §7.1.1
	if len(list) == 0 {
		return // it does not say by which name it goes
	}
	host, wild := strings.CutPrefix(name, "*.")
	for at := host; at != ""; _, at, _ = strings.Cut(at, ".") {
		records, err := m.CAA(ctx, at)
		if err != nil {
			r.unknown("look yourself: dig CAA "+at, "whether the DNS lets this authority issue for %s cannot be seen: %v", name, err)
			return
		}
		if len(records) == 0 {
			continue
		}
		if !permitted(records, list, wild) {
			r.fail("GH-2034", "add to the DNS: "+at+". CAA 0 issue \""+worded(list[0])+"\"", "the CAA records of %s do not let this authority issue for %s", at, name)
			return
		}
		r.ok("the CAA records of %s let this authority issue for %s", at, name)
		return
	}
}

func worded(v any) string { s, _ := v.(string); return s }

// permitted says whether records name one of an authority's names, or forbid nobody.
// For a wildcard issuewild comes before issue. RFC 8659 §4.2, §4.3
func permitted(records []CAA, identities []any, wild bool) bool {
	tag := "issue"
	for _, r := range records {
		if wild && strings.EqualFold(r.Tag, "issuewild") {
			tag = "issuewild"
		}
	}
	restricted := false
	for _, r := range records {
		if !strings.EqualFold(r.Tag, tag) {
			continue
		}
		restricted = true
		who, _, _ := strings.Cut(r.Value, ";")
		for _, one := range identities {
			if strings.EqualFold(strings.TrimSpace(who), worded(one)) {
				return true
			}
		}
	}
	return !restricted
}

// dialing is how long a port may take to open: a firewall that drops is not waited for.
const dialing = 5 * time.Second

// judgeReach goes to the ports where the authority comes, by the name that it goes
// by. Some networks do not let a machine reach itself so: it is a warning.
func (m *Machine) judgeReach(ctx context.Context, r *report, name string, kept *x509.Certificate) {
	const fix = "the authority has to reach it from the internet: open it in the firewall and the router, and lead it to where gatehouse listens. A network may hide a machine from itself: then look from another one"
	doors := []struct{ port, setting string }{{"443", "server.listen"}}
	if m.Config.Server.PlainListen != "" {
		doors = append(doors, struct{ port, setting string }{"80", "server.plain_listen"})
	}
	for _, d := range doors {
		at := net.JoinHostPort(name, d.port)
		soon, stop := context.WithTimeout(ctx, dialing)
		conn, err := m.Dial(soon, "tcp", at)
		stop()
		if err != nil {
			r.warn("GH-2034", fix, "%s is not reached from this machine: %v", at, err)
			continue
		}
		other := ""
		if d.port == "443" && kept != nil {
			other = foreign(ctx, conn, name, kept)
		}
		_ = conn.Close() // it was only looked at
		if other != "" {
			r.warn("GH-2034", "lead port 443 of "+name+" to "+d.setting+" of this gatehouse, or have what ends TLS there get the certificate", "%s %s: somebody else answers there", at, other)
			continue
		}
		r.ok("%s is reached from this machine", at)
	}
}

// foreign says how a server differs from the one that has a certificate; empty: not.
func foreign(ctx context.Context, conn net.Conn, name string, kept *x509.Certificate) string {
	ctx, stop := context.WithTimeout(ctx, dialing)
	defer stop()
	c := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // nothing is said to it: its certificate is compared with the one we have
	if err := c.HandshakeContext(ctx); err != nil {
		return "does not speak TLS (" + err.Error() + ")"
	}
	if shown := c.ConnectionState().PeerCertificates; len(shown) == 0 || !shown[0].Equal(kept) {
		return "shows another certificate than the one that is kept here"
	}
	return ""
}
