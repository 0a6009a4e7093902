package probe

import (
	"net/url"
	"strings"
)

// publicIssuer asks what the internet is told of the authorization server.
var publicIssuer = &Rule{
	Code: "GH-2117", Name: "public-issuer", Title: "The internet reaches the authorization server too",
	Group: Internet, Severity: High,
	Why:   "A hosted client fetches the authorization server's metadata, registers and gets its tokens from its vendor's machines. With an identity provider that only answers inside, the sign-in begins and never ends.",
	Fix:   "Publish the authorization server, or have one in front that is public: auth.embedded signs people in with the provider inside.",
	Links: []Link{mcpAuthorization, rfc("8414", "3")},
	Check: func(r *run, t *tally) {
		if _, ok := r.fromPublic(t); !ok {
			return
		}
		m, ok := r.described(t)
		if !ok {
			return
		}
		if len(m.Servers) == 0 {
			t.without("the metadata names no authorization server")
			return
		}
		i := r.authServer()
		urls := []string{i.name}
		if i.meta == nil {
			t.unknown(nil, "the metadata of %s was not found (GH-2124), so where its endpoints are was not seen", place(i.name))
		} else {
			urls = append(urls, i.meta.TokenEndpoint, i.meta.RegistrationEndpoint, i.meta.AuthorizationEndpoint)
		}
		seen := map[string]bool{r.host: true} // which has a rule of its own
		for _, at := range urls {
			if at == "" { // it has no such endpoint
				continue
			}
			u, err := url.Parse(at)
			if err != nil || u.Hostname() == "" {
				t.unknown(nil, "%s names no host", place(at))
				continue
			}
			if host := asciiHost(u.Hostname()); !seen[host] {
				seen[host] = true
				r.reachedByAll(t, host)
			}
		}
		t.pass(nil, "%s", map[bool]string{true: "it is on the same host", false: "public resolvers know public addresses of it"}[len(seen) == 1])
	},
}

// reachedByAll judges where a name of the authorization server leads.
func (r *run) reachedByAll(t *tally, host string) {
	n := r.public.lookup(r.ctx, host, r.o.Lookup)
	switch shut := n.shut(); {
	case len(n.all) == 0 && len(n.nothing) == 0:
		t.unknown(nil, "no public resolver answered about %s: %s", host, strings.Join(n.silent, "; "))
	case len(n.all) == 0:
		t.fail(nil, "the internet knows no address of %s", host)
	case len(shut) > 0:
		t.fail(nil, "%s leads to %s, which the internet does not reach", host, strings.Join(shut, ", "))
	}
}
