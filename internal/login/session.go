package login

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Entry is somebody who has just proved who they are.
type Entry struct {
	User    *User
	By      Link       // the identity by which they did; the zero value: an account of ours
	Methods []string   // RFC 8176
	From    netip.Addr // the zero value: not known
	Agent   string     // what the browser calls itself
	Had     string     // the cookie that the browser came with; empty: none. It is of no use from now on
}

// Open begins a session and returns what the browser's cookie is to hold. That
// is always new: who has put a cookie into somebody's browser before they signed
// in has nothing. ErrDisabled: they may not come in, or their tenant may not.
func (s *Service) Open(ctx context.Context, e *Entry) (cookie string, p *Person, err error) {
	cookie = rand.Text()
	now := s.now()
	r := &SessionRecord{
		Session: Session{
			ID: newID("ses"), User: e.User.ID, Provider: e.By.Provider, Methods: methods(e.Methods),
			SignedIn: now, LastSeen: now, Expires: now.Add(s.ttl()), Agent: printable(e.Agent),
		},
		Hash: digest(cookie), Issuer: e.By.Issuer, Subject: e.By.Subject,
	}
	if e.From.IsValid() {
		r.Address = e.From.Unmap().WithZone("").String()
	}
	if e.Had != "" {
		r.Replaces = digest(e.Had)
	}
	if err := s.Store.OpenSession(ctx, r, maxSessions); err != nil {
		return "", nil, known(err)
	}
	p, err = s.Session(ctx, cookie)
	if errors.Is(err, ErrNotFound) { // it was ended meanwhile, or the identity is another's
		err = ErrDisabled
	}
	if err != nil {
		return "", nil, err
	}
	return cookie, p, nil
}

// Session returns who signed in, in the browser that has a cookie. It says that
// they were seen. ErrNotFound: nobody, or not any more.
func (s *Service) Session(ctx context.Context, cookie string) (*Person, error) {
	if cookie == "" || len(cookie) > maxText {
		return nil, ErrNotFound
	}
	now := s.now()
	p, err := s.Store.Session(ctx, digest(cookie), now, now.Add(-s.idle()))
	if err != nil {
		return nil, known(err)
	}
	p.Groups, p.Roles = union(p.Groups, p.Identity.Groups), union(p.Roles, p.Identity.Roles)
	if now.Sub(p.Session.LastSeen) >= seen {
		if err := s.Store.SeeSession(ctx, digest(cookie), now); err != nil {
			return nil, known(err)
		}
		p.Session.LastSeen = now
	}
	return p, nil
}

// Sessions lists what a user has open, the latest first. The empty user means everybody's.
func (s *Service) Sessions(ctx context.Context, t tenant.ID, user string) ([]Session, error) {
	list, err := s.Store.Sessions(ctx, t, user, s.now())
	return list, known(err)
}

// End ends a session of a user by its id. The empty user stands for everybody.
func (s *Service) End(ctx context.Context, t tenant.ID, user, id string) (*Session, error) {
	if !strings.HasPrefix(id, "ses_") {
		return nil, ErrNotFound
	}
	if user != "" {
		list, err := s.Sessions(ctx, t, user)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(one Session) bool { return one.ID == id }) {
			return nil, ErrNotFound
		}
	}
	one, err := s.Store.EndSession(ctx, t, id)
	return one, known(err)
}

// Leave ends the session of the browser that has a cookie. There may be none.
func (s *Service) Leave(ctx context.Context, cookie string) error {
	_, err := s.Store.EndSession(ctx, "", digest(cookie))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return known(err)
}

// EndAll ends every session of a user, and returns how many those were.
func (s *Service) EndAll(ctx context.Context, t tenant.ID, user string) (int, error) {
	n, err := s.Store.EndSessions(ctx, t, user)
	return n, known(err)
}

// union returns what is in either, each once, in a stable order.
func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// methods are those of RFC 8176 and of providers, as far as they are texts that
// may stand in a list.
func methods(list []string) []string {
	var out []string
	for _, m := range list {
		if m != "" && len(m) <= 64 && len(out) < 16 && !strings.ContainsFunc(m, func(r rune) bool { return r <= ' ' || r > '~' }) {
			out = append(out, m)
		}
	}
	return out
}

// printable is what a stranger calls itself, fit to be kept and shown.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText])
	}
	return strings.TrimSpace(text)
}
