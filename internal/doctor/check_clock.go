package doctor

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// How far our clock may be off before it is worth a word, and before tokens are misjudged.
const (
	skewNoted  = 5 * time.Second
	skewBroken = 60 * time.Second // the tolerance of exp and nbf
)

// clock compares ours with those of the providers.
var clock = Check{"clock", "whether it is set by NTP, and ours against those of the identity providers and of the ACME server", func(ctx context.Context, m *Machine, r *report) {
	type asked struct {
		url string
		by  *http.Client
	}
	var all []asked
	for _, p := range m.providers() {
		if client, err := m.guarded(p.private, p.ca); err == nil {
			all = append(all, asked{p.url, client})
		}
	}
	if m.Config != nil && m.Config.Server.TLS.ACME != nil {
		if at, client, err := m.acme(m.Config.Server.TLS.ACME); err == nil {
			all = append(all, asked{at, client})
		}
	}
	offs := make([]*time.Duration, len(all))
	var each sync.WaitGroup
	for i, q := range all {
		each.Go(func() { offs[i] = m.off(ctx, q.by, q.url) })
	}
	each.Wait()
	for i, off := range offs {
		if off == nil {
			continue
		}
		judgeClock(r, hostOf(all[i].url), *off)
	}
	if len(r.lines) == 0 {
		m.judgeKept(r)
	}
}}

// judgeKept repeats what the system says of its clock, where there is nobody to
// compare it with. Some machines have it set from outside, and do not know it.
func (m *Machine) judgeKept(r *report) {
	switch synced, err := m.Synced(); {
	case err != nil:
		r.unknown("compare it yourself with a clock that is right", "nobody was there to compare our clock with, and the system does not say whether it is set: %v", err)
	case synced:
		r.ok("it is set by NTP, as the system says")
	default:
		r.warn("GH-2413", "switch it on: timedatectl set-ntp true. In a container it is the host's affair", "nothing sets our clock, as the system says: it is likely to go wrong")
	}
}

func judgeClock(r *report, host string, off time.Duration) {
	const fix = "have it set by NTP: timedatectl set-ntp true"
	// The header has whole seconds, and the answer was on its way.
	switch by := off.Abs(); {
	case by > skewBroken:
		r.fail("GH-2413", fix+". If the others are right, tokens that have ended are accepted, or new ones refused", "our clock is off by %s against %s, more than the 60 s that are tolerated", off.Round(time.Second), host)
	case by > skewNoted:
		r.warn("GH-2413", fix, "our clock is off by %s against %s", off.Round(time.Second), host)
	default:
		r.ok("our clock agrees with %s", host)
	}
}

// off is how far our clock is ahead of a server's; nil: it does not say.
func (m *Machine) off(ctx context.Context, client *http.Client, url string) *time.Duration {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil
	}
	before := m.Now()
	res, err := client.Do(q)
	if err != nil {
		return nil
	}
	_ = res.Body.Close()
	at, err := http.ParseTime(res.Header.Get("Date")) // RFC 9110 §6.6.1
	if err != nil {
		return nil
	}
	after := m.Now()
	off := before.Add(after.Sub(before) / 2).Sub(at.Add(500 * time.Millisecond))
	return &off
}

// provider is somebody else's server that the configuration names.
type provider struct {
	setting, url, ca string
	private          []string
}

// providers are those that sign people in or vouch for them, each once.
func (m *Machine) providers() (all []provider) {
	if m.Config == nil {
		return nil
	}
	seen := map[string]bool{}
	add := func(setting, url, ca string, private []string) {
		if url != "" && !seen[url] {
			seen[url] = true
			all = append(all, provider{setting, url, ca, private})
		}
	}
	for i := range m.Config.Auth.Issuers {
		u := &m.Config.Auth.Issuers[i]
		add("auth.issuers "+u.Name, u.Issuer, u.CA, u.Private)
	}
	if e := m.Config.Auth.Embedded; e != nil {
		for i := range e.Login {
			add("auth.embedded.login "+e.Login[i].Name, e.Login[i].Issuer, e.Login[i].CA, e.Login[i].Private)
		}
		for i := range e.Assertions {
			add("auth.embedded.assertions", e.Assertions[i].Issuer, e.Assertions[i].CA, e.Assertions[i].Private)
		}
	}
	return all
}
