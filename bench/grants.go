package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Kinds of grants.
const (
	kindClient  = "client credentials"
	kindCode    = "code"
	kindRefresh = "refresh"
	kindAbout   = "introspection"
)

var kinds = []string{kindClient, kindCode, kindRefresh, kindAbout} //nolint:gochecknoglobals // it never changes

// grantee is a client program with one user, who is signed in and has allowed
// it before.
type grantee struct {
	*hand
	of      *granter
	fill    filler
	refresh string // token
	about   string // the token that it asks about
	last    string // access token that it was given
	n       int64
}

// given is a token endpoint's answer.
type given struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Active  bool   `json:"active"`
}

// post sends a form as a client, and reads a good answer.
func (e *grantee) post(path string, c oauthClient, form url.Values) (*given, error) {
	auth := ""
	if c.secret == "" {
		form.Set("client_id", c.id)
	} else {
		auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.id)+":"+url.QueryEscape(c.secret)))
	}
	r, err := e.do(path, form, auth)
	if err != nil {
		return nil, err
	}
	out := &given{}
	if err := json.Unmarshal(r.body, out); err != nil || r.status != http.StatusOK {
		return nil, fmt.Errorf("%s of %s: got %d: %.300s", path, e.of.name, r.status, r.body)
	}
	return out, nil
}

// take is post at the token endpoint, whose answer has to be a new token.
func (e *grantee) take(c oauthClient, form url.Values) (*given, error) {
	out, err := e.post(e.of.token, c, form)
	switch {
	case err != nil:
		return nil, err
	case out.Access == "" || out.Access == e.last:
		return nil, fmt.Errorf("%s: the answer has no new token", e.of.name)
	}
	e.last = out.Access
	return out, nil
}

// form is what a request at the token endpoint has in any case.
func (e *grantee) form(kind string, pairs ...string) url.Values {
	f := url.Values{"grant_type": {kind}}
	if e.of.resource != "" && kind != "refresh_token" {
		f.Set("resource", e.of.resource)
	}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1]) //nolint:gosec // they come in pairs
	}
	return f
}

// grant does one of a kind.
func (e *grantee) grant(kind string) error {
	switch kind {
	case kindClient:
		_, err := e.take(e.of.ci, e.form("client_credentials", "scope", e.of.scope))
		return err
	case kindCode:
		_, err := e.code()
		return err
	case kindRefresh:
		out, err := e.take(e.of.app, e.form("refresh_token", "refresh_token", e.refresh))
		if err == nil && (out.Refresh == "" || out.Refresh == e.refresh) {
			err = fmt.Errorf("%s: the refresh token is not another", e.of.name)
		}
		if err == nil {
			e.refresh = out.Refresh
			if e.of.byCode { // the one before may have ended with it
				e.about = out.Access
			}
		}
		return err
	}
	c := e.of.ci
	if e.of.byCode {
		c = e.of.app
	}
	out, err := e.post(e.of.introspect, c, url.Values{"token": {e.about}})
	if err == nil && !out.Active {
		err = fmt.Errorf("%s: a good token is not active", e.of.name)
	}
	return err
}

// code is an authorization and its redemption.
func (e *grantee) code() (*given, error) {
	e.n++
	q := url.Values{
		"response_type": {"code"}, "client_id": {e.of.app.id}, "redirect_uri": {callback}, "scope": {e.of.scope}, "state": {fmt.Sprintf("state-%08d", e.n)},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	if e.of.offline != "" {
		q.Set("scope", e.of.scope+" "+e.of.offline)
	}
	if e.of.resource != "" {
		q.Set("resource", e.of.resource)
	}
	told, err := e.visit(e.of.authorize+"?"+q.Encode(), e.fill)
	if err != nil {
		return nil, err
	}
	if told.Get("code") == "" || told.Get("state") != q.Get("state") {
		return nil, fmt.Errorf("%s: the client is told %v", e.of.name, told)
	}
	return e.take(e.of.app, e.form("authorization_code", "code", told.Get("code"), "redirect_uri", callback, "code_verifier", verifier))
}

// settle signs a grantee in, and gets it what it needs for every kind.
func (e *grantee) settle(p *resident) error {
	if p != nil {
		e.fill = p.fill
		if p.cookies != nil {
			e.cookies = maps.Clone(p.cookies)
		}
	}
	if e.of.measures(kindCode) {
		out, err := e.code()
		if err != nil {
			return err
		}
		if e.refresh, e.about = out.Refresh, out.Access; e.refresh == "" {
			return fmt.Errorf("%s: there is no refresh token", e.of.name)
		}
	}
	if p != nil {
		p.cookies = maps.Clone(e.cookies)
		e.fill = nil // from now on nobody is asked anything
	}
	return e.lookedAt()
}

// lookedAt gets the token that is asked about.
func (e *grantee) lookedAt() error {
	if e.of.byCode {
		return nil
	}
	f := e.form("client_credentials", "scope", e.of.scope)
	for name, values := range e.of.asked {
		f[name] = values
	}
	out, err := e.take(e.of.ci, f)
	if err == nil {
		e.about = out.Access
	}
	return err
}

// grants measures what a grant costs, and how many there are in a second.
func grants(y *yard, r *report) (err error) {
	var all []*granter
	for _, g := range allGranters() {
		if (g.name != nameOurs+", before" || y.settings.before != "") && y.only.MatchString(g.name) {
			all = append(all, g)
		}
	}
	defer func() {
		for _, g := range all {
			if g.program != nil {
				g.program.stop()
			}
		}
	}()
	crowds := map[*granter][]*grantee{}
	for _, g := range all {
		if crowds[g], err = y.moveIn(g); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		r.granters = append(r.granters, g)
		r.Peers, r.Samples[g.name] = append(r.Peers, g.name), map[string][]float64{rowStart: {g.took}, rowIdle: {g.idle}}
		fmt.Fprintf(os.Stderr, "bench: %s is up\n", g.name)
	}
	for n := range y.rounds {
		fmt.Fprintf(os.Stderr, "bench: grants, round %d of %d\n", n+1, y.rounds)
		for _, kind := range kinds {
			for _, atOnce := range [...]int{1, callers} {
				for _, g := range all {
					if !g.measures(kind) || g.alone && atOnce > 1 {
						continue
					}
					if err := y.granting(r, g, crowds[g][:atOnce], kind); err != nil {
						return fmt.Errorf("%s, %s: %w", g.name, kind, err)
					}
				}
			}
		}
	}
	return y.fill(r, crowds)
}

// fill has the granters give out many tokens, and looks at their memory then.
func (y *yard) fill(r *report, crowds map[*granter][]*grantee) error {
	for _, g := range r.granters {
		if y.tokens == 0 || g.alone {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %d tokens of %s\n", y.tokens, g.name)
		var given atomic.Int64
		var work sync.WaitGroup
		errs := make([]error, callers)
		for i, e := range crowds[g] {
			work.Go(func() {
				errs[i] = e.connect(y.ctx)
				for again := 20; errs[i] == nil && y.ctx.Err() == nil && given.Add(1) <= int64(y.tokens); {
					if errs[i] = e.grant(kindClient); errs[i] != nil && again > 0 { // on a busy disk the trail may be late; nothing is measured here
						errs[i] = e.connect(y.ctx)
						again--
					}
				}
				e.close()
			})
		}
		work.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		time.Sleep(time.Second)
		n, err := memory([]int{g.program.cmd.Process.Pid})
		if err != nil {
			return err
		}
		r.Samples[g.name][rowFull] = append(r.Samples[g.name][rowFull], float64(n)/(1<<20))
	}
	return nil
}

// moveIn starts a granter, and its grantees.
func (y *yard) moveIn(g *granter) (all []*grantee, err error) {
	if g.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if err := g.start(y, g); err != nil {
		return nil, err
	}
	if g.idle == 0 {
		if err := g.weigh(); err != nil {
			return nil, err
		}
	}
	for n := range callers {
		e := &grantee{hand: &hand{address: g.address, cookies: map[string]string{}}, of: g, fill: g.fill}
		if err := e.connect(y.ctx); err != nil {
			return nil, err
		}
		var p *resident
		if len(g.people) > 0 {
			p = &g.people[n%len(g.people)]
		}
		if err := e.settle(p); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// granting measures one kind of one granter. The grantees are let finish: a
// refresh token whose successor did not arrive would be lost.
func (y *yard) granting(r *report, g *granter, all []*grantee, kind string) error {
	ctx, stop := context.WithCancel(y.ctx)
	defer stop()
	var count, failed atomic.Int64
	var work sync.WaitGroup
	errs := make([]error, len(all))
	for i, e := range all {
		work.Go(func() {
			if errs[i] = e.connect(y.ctx); errs[i] != nil {
				return
			}
			for ctx.Err() == nil && errs[i] == nil {
				if errs[i] = e.grant(kind); errs[i] == nil {
					count.Add(1)
				}
			}
			e.close()
		})
	}
	m, err := y.during(&target{programs: []*program{g.program}, steady: true}, &count)
	stop()
	work.Wait()
	for _, e := range errs {
		if e != nil {
			failed.Add(1)
		}
	}
	r.Errors[g.name] += failed.Load()
	if err := errors.Join(err, errors.Join(errs...)); err != nil {
		return err
	}
	r.Samples[g.name][rowGrants(kind, len(all), "/s")] = append(r.Samples[g.name][rowGrants(kind, len(all), "/s")], float64(m.count)/m.took.Seconds())
	r.Samples[g.name][rowGrants(kind, len(all), "µs")] = append(r.Samples[g.name][rowGrants(kind, len(all), "µs")], float64(m.cpu)/float64(time.Microsecond)/float64(m.count))
	return nil
}

func rowGrants(kind string, atOnce int, unit string) string {
	return fmt.Sprintf("%s, %d at once, %s", kind, atOnce, unit)
}
