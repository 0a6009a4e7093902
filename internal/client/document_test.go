package client_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// host serves documents.
type host struct {
	*httptest.Server
	id       string // of the client whose document it serves
	requests atomic.Int64
	mu       sync.Mutex
	answer   http.HandlerFunc
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.requests.Add(1)
		h.mu.Lock()
		answer := h.answer
		h.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(h.Close)
	h.id = h.URL + "/oauth/client.json"
	h.says(h.document(""))
	return h
}

// document is a good one, with more members.
func (h *host) document(more string) string {
	return fmt.Sprintf(`{"client_id":%q,"client_name":"App","redirect_uris":["https://app.test/cb"],"token_endpoint_auth_method":"none"%s}`, h.id, more)
}

func (h *host) does(answer http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *host) says(body string, headers ...string) {
	h.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		fmt.Fprint(w, body)
	})
}

// near is a house on the machine of the host.
func near(t *testing.T, h *host, change ...func(*client.Registry)) *house {
	t.Helper()
	return newHouse(t, append([]func(*client.Registry){func(g *client.Registry) {
		g.Issuer = "https://localhost:8443"
		g.Settings.Private = []string{"127.0.0.1", "localhost"}
		g.Settings.Roots = x509.NewCertPool()
		g.Settings.Roots.AddCert(h.Certificate())
	}}, change...)...)
}

func TestDocuments(t *testing.T) {
	h := newHost(t)
	g := near(t, h)
	c := g.find(t, h.id)
	if c.Kind != client.Document || c.State != client.Known || c.Name != "App" || c.Domain != strings.TrimPrefix(h.URL, "https://") || !c.Public() || c.Native {
		t.Errorf("got %+v", c)
	}
	g.find(t, h.id)
	if n := h.requests.Load(); n != 1 {
		t.Errorf("%d requests for two questions", n)
	}
	// As ChatGPT says it: one method, and a list beside it. Unknown grants are nobody's business.
	h.says(fmt.Sprintf(`{"client_id":%q,"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/cb","javascript:x"],"jwks_uri":"https://chatgpt.com/oauth/jwks.json",
		"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["none","private_key_jwt","client_secret_basic"],"grant_types":["authorization_code","x"]}`, h.id))
	g.clock.add(2 * time.Hour)
	c = g.find(t, h.id)
	if !slices.Equal(c.AuthMethods, []string{"none", "private_key_jwt"}) || !slices.Equal(c.Grants, []string{"authorization_code"}) || !slices.Equal(c.RedirectURIs, []string{"https://chatgpt.com/cb"}) {
		t.Errorf("got %+v", c)
	}
	g.Settings.Documents = false
	_, err := g.Find(t.Context(), h.id)
	wantErr(t, "when they are off", err, client.ErrUnknown)
}

// TestA088DocumentsThatDoNotCount takes nothing from a document that is not about
// the URL that it is at, or has a secret in it.
func TestA088DocumentsThatDoNotCount(t *testing.T) {
	h := newHost(t)
	doc := func(id, more string) string {
		return fmt.Sprintf(`{"client_id":%q,"client_name":"App"%s}`, id, more)
	}
	const good = `,"redirect_uris":["https://app.test/cb"]`
	first := near(t, h)
	for what, body := range map[string]string{
		"a slash more":                doc(h.id+"/", good),
		"another case":                doc(strings.Replace(h.id, "client", "Client", 1), good),
		"a query":                     doc(h.id+"?x", good),
		"another port":                doc("https://127.0.0.1/oauth/client.json", good),
		"no id":                       `{"client_name":"App"` + good + `}`,
		"a list of ids":               `{"client_id":[` + fmt.Sprintf("%q", h.id) + `],"client_name":"App"` + good + `}`,
		"a secret":                    doc(h.id, good+`,"client_secret":"x"`),
		"a secret's end":              doc(h.id, good+`,"client_secret_expires_at":0`),
		"a shared secret":             doc(h.id, good+`,"token_endpoint_auth_method":"client_secret_basic"`),
		"a shared secret beside none": doc(h.id, good+`,"token_endpoint_auth_method":"client_secret_post","token_endpoint_auth_methods_supported":["none"]`),
		"shared secrets only":         doc(h.id, good+`,"token_endpoint_auth_methods_supported":["client_secret_post"]`),
		"no redirect URIs":            doc(h.id, ""),
		"none that is fine":           doc(h.id, `,"redirect_uris":["javascript:x"]`),
		"no name":                     `{"client_id":` + fmt.Sprintf("%q", h.id) + good + `}`,
		"a name that is none":         fmt.Sprintf(`{"client_id":%q,"client_name":"\u202e"`+good+`}`, h.id),
		"keys without keys":           doc(h.id, good+`,"token_endpoint_auth_method":"private_key_jwt"`),
		"a member twice":              doc(h.id, good+good),
		"another spelling":            doc(h.id, good+`,"Client_ID":"x"`),
		"an array":                    `[]`,
		"HTML":                        `<html>`,
		"bad UTF-8":                   doc(h.id, good+",\"x\":\"\xff\""),
		"depth":                       doc(h.id, good+`,"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)),
	} {
		g := first.again()
		h.says(body)
		_, err := g.Find(t.Context(), h.id)
		wantErr(t, what, err, client.ErrInvalid)
		wantCode(t, what, client.Refusal(err), oauth.InvalidClient, "GH-1405")
		h.says(h.document("")) // nothing of it was kept
		g.clock.add(11 * time.Second)
		g.find(t, h.id)
	}
	for _, id := range []string{"https://a.test", "https://a.test/", "https://A.test/x", "https://a.test/x#y", "https://u@a.test/x", "https://a.test/../x", "https://a.test./x", "https://a.test/" + strings.Repeat("x", 1100)} {
		_, err := first.Find(t.Context(), id)
		wantErr(t, id, err, client.ErrInvalid)
	}
}

// TestA087DocumentsInOtherForms reads JSON of a size, and nothing that pretends to be.
func TestA087DocumentsInOtherForms(t *testing.T) {
	h := newHost(t)
	g := near(t, h)
	h.says(h.document(`,"x":"` + strings.Repeat("x", 20<<10) + `"`))
	g.find(t, h.id) // the draft's 5 KB would keep a well-known one out
	for what, answer := range map[string]http.HandlerFunc{
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, h.document(`,"x":"`+strings.Repeat("x", 64<<10)+`"`))
		},
		"without an end": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for i := 0; i < 1<<20; i++ {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		},
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, h.document(""))
		},
		"of no type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			fmt.Fprint(w, h.document(""))
		},
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "\x1f\x8b")
		},
	} {
		g := g.again()
		h.does(answer)
		_, err := g.Find(t.Context(), h.id)
		wantErr(t, what, err, client.ErrFetch)
		wantCode(t, what, client.Refusal(err), oauth.Unavailable, "GH-1405")
	}
}

// TestA086DocumentsElsewhere follows nobody, and takes 200 for an answer.
func TestA086DocumentsElsewhere(t *testing.T) {
	h := newHost(t)
	first := near(t, h)
	for _, status := range []int{201, 204, 206, 301, 302, 303, 304, 307, 308, 400, 403, 404, 410, 500, 503} {
		g := first.again()
		h.requests.Store(0)
		h.does(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", h.URL+"/other")
			w.WriteHeader(status)
			if status != 204 && status != 304 {
				fmt.Fprint(w, h.document(""))
			}
		})
		_, err := g.Find(t.Context(), h.id)
		wantErr(t, fmt.Sprint(status), err, client.ErrFetch)
		if n := h.requests.Load(); n != 1 {
			t.Errorf("%d: %d requests", status, n)
		}
	}
}

// TestA084DocumentsAtPrivateAddresses connects to nobody's private addresses, and
// tells nobody which they are.
func TestA084DocumentsAtPrivateAddresses(t *testing.T) {
	h := newHost(t)
	port := h.URL[strings.LastIndexByte(h.URL, ':'):]
	g := newHouse(t)
	for _, name := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.2", "0.0.0.0", "2130706433", "0x7f.1", "017700000001", "169.254.169.254", "10.0.0.1", "192.168.1.1"} {
		id := "https://" + name + port + "/client.json"
		_, err := g.Find(t.Context(), id)
		wantErr(t, name, err, client.ErrFetch)
		if e := client.Refusal(err); e == nil || strings.Contains(e.Description, "127") || strings.Contains(e.Description, "169") {
			t.Errorf("%s: got %v", name, e)
		}
	}
	if n := h.requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestA093LoopbackDocuments fetches from this machine only if our issuer is on it
// too, and a setting says so.
func TestA093LoopbackDocuments(t *testing.T) {
	h := newHost(t)
	first := near(t, h)
	for _, tt := range []struct {
		issuer  string
		private []string
		want    bool
	}{
		{"http://127.0.0.1:8080", []string{"127.0.0.1"}, true},
		{"http://localhost:8080", []string{"127.0.0.0/8"}, true},
		{"http://localhost:8080", nil, false},
		{"https://auth.test", []string{"127.0.0.1"}, false},
		{"https://auth.test", []string{"127.0.0.0/8", "localhost"}, false},
		{"https://auth.test", []string{"0.0.0.0/0"}, false},
		{"https://localhost.evil.test", []string{"127.0.0.1"}, false},
	} {
		h.requests.Store(0)
		g := first.again(func(g *client.Registry) { g.Issuer, g.Settings.Private = tt.issuer, tt.private })
		_, err := g.Find(t.Context(), h.id)
		if (err == nil) != tt.want || (h.requests.Load() > 0) != tt.want {
			t.Errorf("issuer %s, private %v: got %v and %d requests", tt.issuer, tt.private, err, h.requests.Load())
		}
	}
}

// TestA082NothingElseIsFetched fetches nothing that metadata points to.
func TestA082NothingElseIsFetched(t *testing.T) {
	h := newHost(t)
	g := near(t, h)
	more := ""
	for _, name := range []string{"logo_uri", "policy_uri", "tos_uri", "client_uri", "sector_identifier_uri", "backchannel_logout_uri", "jwks_uri", "initiate_login_uri"} {
		more += fmt.Sprintf(`,%q:%q`, name, h.URL+"/"+name)
	}
	g.register(t, `{"redirect_uris":["https://a.test/cb"]`+more+`}`)
	h.says(h.document(more))
	g.find(t, h.id)
	if n := h.requests.Load(); n != 1 {
		t.Errorf("%d requests, want the one for the document", n)
	}
}

// TestA092DomainTrust takes a domain for itself, and nothing that looks like it.
func TestA092DomainTrust(t *testing.T) {
	g := newHouse(t, func(g *client.Registry) {
		g.Settings.Trusted, g.Settings.Others = []string{"*.example.com", "One.test"}, client.Refuse
	})
	client.BarTheWay(g.Registry)
	for _, id := range []string{
		"https://example.com.evil.test/c", "https://evilexample.com/c", "https://example.com@evil.test/c", "https://xn--exmple-cua.com/c", "https://example.com/c",
		"https://sub.example.com./c", "https://sub.example.com:444/c", "https://sub.example.com:443/c", "https://SUB.example.com/c", "https://.example.com/c", "https://sub.one.test/c", "https://two.test/c",
	} {
		_, err := g.Find(t.Context(), id)
		if e := client.Refusal(err); e == nil || e.Code != oauth.InvalidClient {
			t.Errorf("%s: got %v, want a refusal without a fetch", id, err)
		}
	}
	for _, id := range []string{"https://sub.example.com/c", "https://a.b.example.com/c", "https://one.test/c"} {
		_, err := g.Find(t.Context(), id) // trusted: it is tried
		wantErr(t, id, err, client.ErrFetch)
	}
}

// What the policy says of other domains, an administrator can say otherwise.
func TestPolicyOfDomains(t *testing.T) {
	h := newHost(t)
	g, ctx := near(t, h, func(g *client.Registry) { g.Settings.Others = client.Approve }), t.Context()
	_, err := g.Find(ctx, h.id)
	wantErr(t, "before anybody decided", err, client.ErrPending)
	wantCode(t, "before anybody decided", client.Refusal(err), oauth.UnauthorizedClient, "GH-1407")
	waiting, total, err := g.List(ctx, client.Filter{State: client.Pending})
	if err != nil || total != 1 || waiting[0].ID != h.id || waiting[0].Name != "App" || waiting[0].State != client.Pending {
		t.Fatalf("got %+v, %v", waiting, err)
	}
	if _, err := g.Decide(ctx, h.id, client.Approved, "ada", "ours"); err != nil {
		t.Fatal(err)
	}
	if c := g.find(t, h.id); c.State != client.Approved {
		t.Errorf("got %+v", c)
	}
	g.Settings.Others = client.Refuse
	g.find(t, h.id)
	if _, err := g.Decide(ctx, h.id, client.Blocked, "ada", "lies"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.ended, []string{h.id}) {
		t.Errorf("ended %v", g.ended)
	}
	n := h.requests.Load()
	g.clock.add(48 * time.Hour)
	_, err = g.Find(ctx, h.id)
	wantErr(t, "blocked", err, client.ErrBlocked)
	wantCode(t, "blocked", client.Refusal(err), oauth.InvalidClient, "GH-1406")
	if h.requests.Load() != n {
		t.Error("a blocked client's document was fetched")
	}
	e, err := g.Show(ctx, h.id)
	if err != nil || e.State != client.Blocked || e.By != "ada" || e.Reason != "lies" || e.Fault == nil {
		t.Errorf("got %+v, %v", e, err)
	}
}

// gate is a handler that waits until it is opened.
func gate(next http.HandlerFunc) (http.HandlerFunc, func()) {
	open := make(chan struct{})
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-open:
			next(w, r)
		case <-r.Context().Done():
		}
	}, sync.OnceFunc(func() { close(open) })
}

// Many who ask at once cause one fetch, which outlives the first of them.
func TestOneFetchForMany(t *testing.T) {
	h := newHost(t)
	g := near(t, h)
	waiting, open := gate(h.answer)
	defer open()
	h.does(waiting)
	first, leave := context.WithCancel(t.Context())
	var left sync.WaitGroup
	left.Go(func() {
		_, err := g.Find(first, h.id)
		wantErr(t, "who leaves", err, context.Canceled)
	})
	until(t, func() bool { return h.requests.Load() == 1 })
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := g.Find(t.Context(), h.id); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	left.Wait()
	open()
	all.Wait()
	if n := h.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// until waits for what has to become true.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
	}
}
