package e2e

import (
	"context"
	"encoding/base32"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/chromium"
)

// TestPeopleSignRealClientsInWithABrowser has Chromium do what a person does when
// a client opens it: they are asked, allow, sign in with an account of ours, set
// up an authenticator, and are back at the client, which listens for them. They
// allow more when a tool needs it, and once more after they have ended the grant.
func TestPeopleSignRealClientsInWithABrowser(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	v := f.vendor(t)
	tests := []struct {
		name  string
		k     known
		goes  going
		lands string // what the client shows there
	}{
		{"mcp-remote that registers itself", known{}, remoteTraveller(known{}), "Authorization successful"},
		{"TypeScript SDK 2 by its document", known{id: v.at + "/sdk"}, nodeTraveller("2", v.at+"/sdk", "listen"), "Back in the client."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			user := settle(t, f, strings.Fields(tt.name)[0])
			over := f.ended(t, func(string) []string { return []string{"grant", "revoke", "--subject", user.id} })
			tab := chromium.Open(t)
			asked := make(chan string, 8)
			p := own(t, f, user, tt.k)
			p.window = func(t testing.TB) *window { return openWindow(t, func(_ *window, at string) { asked <- at }) }
			p.visits = func(_ context.Context, at, _ string) (url.Values, error) {
				asked <- at
				return nil, nil //nolint:nilnil // the client itself gets the parameters, where it listens
			}
			done := make(chan journey, 1)
			go func() {
				defer close(done)
				done <- tt.goes(t, f, p, user.name, reading, writing, over, reading)
			}()
			for {
				select {
				case at := <-asked:
					user.sits(t, tab, at, tt.lands)
					continue
				case j := <-done:
					if j.Error != "" || len(j.Sent) != 3 || len(j.Results) != 3 || slices.ContainsFunc(j.Results, func(r outcome) bool { return r.Error != "" }) {
						t.Errorf("got %+v, want three answers after three requests", j)
					}
				case <-time.After(2 * patience):
					t.Fatal("the client is not done")
				}
				break
			}
			for _, m := range tab.Messages() {
				if strings.Contains(m, "Content Security Policy") || strings.Contains(m, "Content-Security-Policy") {
					t.Errorf("the browser complained: %s", m)
				}
			}
		})
	}
}

// sits has the person go through the pages, from where a client has sent them to
// where it listens.
func (r *resident) sits(t *testing.T, tab *chromium.Tab, at, lands string) {
	t.Helper()
	_, sent := hinted(at, "")
	back, err := url.Parse(sent["redirect_uri"])
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client listens", func() bool { // some have their user begin before they do
		c, err := net.Dial("tcp", back.Host)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	tab.Go(at)
	tab.WaitFor("wants to use")
	tab.Press("Allow")
	if r.secret == nil { // the first time
		tab.Fill("Name", r.name)
		tab.Fill("Password", residentPassword)
		tab.Press("Sign in")
		tab.WaitFor("One more step")
		if r.secret, err = base32.StdEncoding.DecodeString(strings.ReplaceAll(tab.Value("key"), " ", "")); err != nil {
			t.Fatal(err)
		}
		tab.Fill("Type the code", r.code())
		tab.Press("Continue")
		tab.Press("I have kept them")
	}
	tab.WaitAt(sent["redirect_uri"] + "?code=")
	tab.WaitFor(lands)
}
