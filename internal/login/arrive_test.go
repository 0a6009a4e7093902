package login_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

const (
	acme = "https://acme.idp.example/"
	evil = "https://evil.idp.example/"
)

func (h *house) arrive(t testing.TB, iss, sub, email string, vouched bool) (*login.User, error) {
	t.Helper()
	u, l, err := h.SignIn(t.Context(), &login.Arrival{
		Tenant: h.def, Provider: "idp", Issuer: iss, Subject: sub, Name: "Ada", Email: email, Vouched: vouched, Groups: []string{"b", "a", "b", ""}, Roles: []string{"r"},
	})
	if err == nil && (l.Issuer != iss || l.Subject != sub || strings.Join(l.Groups, ",") != "a,b") {
		t.Errorf("got %+v", l)
	}
	return u, err
}

// TestA032LinkingByEmail: the pair of issuer and subject is the only key to an
// account. An address counts only if the settings say so, if its provider may
// speak for the domain, and if the account has it from somebody who may.
func TestA032LinkingByEmail(t *testing.T) {
	h := newHouse(t)
	ada := h.user(t, "ada") // ada@acme.example, from an administrator
	user := func(iss, sub, email string, vouched bool) string {
		t.Helper()
		u, err := h.arrive(t, iss, sub, email, vouched)
		must(t, err)
		return u.ID
	}
	if user(acme, "s0", ada.Email, true) == ada.ID {
		t.Error("linked though the settings do not say so")
	}
	h.Settings.LinkByEmail = true
	carol := h.user(t, "carol")
	for _, email := range []string{
		"", "carol@acme.example,x@evil.example", "carol@acme.example@evil.example", "carol@evil@acme.example", "cárol@acme.example", "carol@acme.example\u200b",
		"carol@ａcme.example", "carol@acme.example.", ".carol@acme.example", "\"carol\"@acme.example", "carol@acme.example\n", "carol @acme.example", "carol@[192.0.2.1]",
	} {
		u, err := h.arrive(t, acme, "e "+strings.ToValidUTF8(strings.Map(func(r rune) rune {
			if r < ' ' {
				return '_'
			}
			return r
		}, email), "_"), email, true)
		must(t, err)
		if u.ID == carol.ID || u.Email != "" {
			t.Errorf("%q: got %+v, want somebody new without an address", email, u)
		}
	}
	if got := user(evil, "s1", carol.Email, false); got == carol.ID {
		t.Error("linked by a provider that may not speak for the domain")
	}
	if got := user(acme, "s1", "CAROL@Acme.Example", true); got != carol.ID {
		t.Errorf("got %s, want the account with the address", got)
	}
	if got := user(evil, "s1", carol.Email, false); got == carol.ID {
		t.Error("the same subject of another issuer is somebody else")
	}
	if got := user(acme, "s1", "", false); got != carol.ID {
		t.Error("without the address they are still themselves")
	}

	// Somebody who waits under an address that is not theirs gets nothing when its owner comes.
	squat := user(evil, "squat", "bob@acme.example", false)
	if got := user(acme, "s2", "bob@acme.example", true); got == squat {
		t.Error("the owner of an address was given an account that somebody else made")
	}
}

// Groups are those that an administrator gave, and those of the identity by which
// somebody signed in: not of another one, which may be of a provider that they
// have left.
func TestGroupsAreOfTheIdentity(t *testing.T) {
	h := newHouse(t)
	h.Settings.LinkByEmail = true
	u, err := h.Create(t.Context(), &login.NewUser{Tenant: h.def, Username: "ada", Email: "ada@acme.example", Groups: []string{"own"}})
	must(t, err)
	for iss, group := range map[string]string{acme: "of acme", evil: "of evil"} {
		_, by, err := h.SignIn(t.Context(), &login.Arrival{Tenant: h.def, Provider: "idp", Issuer: iss, Subject: "s", Email: u.Email, Vouched: true, Groups: []string{group}})
		must(t, err)
		cookie, p, err := h.Open(t.Context(), &login.Entry{User: u, By: by})
		must(t, err)
		want := group + ",own"
		if got := strings.Join(p.Groups, ","); got != want || p.Identity.Issuer != iss {
			t.Errorf("signed in by %s: got %s, want %s", iss, got, want)
		}
		now, err := h.Current(t.Context(), h.def, u.ID, iss, "s")
		must(t, err)
		if got := strings.Join(now.Groups, ","); got != want {
			t.Errorf("now, by %s: got %s, want %s", iss, got, want)
		}
		must(t, h.Leave(t.Context(), cookie))
	}
	now, err := h.Current(t.Context(), h.def, u.ID, "", "")
	must(t, err)
	if got := strings.Join(now.Groups, ","); got != "own" {
		t.Errorf("by a local account: got %s", got)
	}
	for _, who := range [][2]string{{u.ID, "https://else.example"}, {u.Username, ""}} {
		_, err = h.Current(t.Context(), h.def, who[0], who[1], "s")
		wantErr(t, who[0], err, login.ErrNotFound)
	}
}

func TestArrivalsThatAreNone(t *testing.T) {
	h := newHouse(t)
	for what, a := range map[string]*login.Arrival{
		"no subject": {Tenant: h.def, Provider: "p", Issuer: acme}, "no issuer": {Tenant: h.def, Provider: "p", Subject: "s"},
		"no tenant": {Provider: "p", Issuer: acme, Subject: "s"}, "a control character": {Tenant: h.def, Provider: "p", Issuer: acme, Subject: "a\nb"},
		"too long": {Tenant: h.def, Provider: "p", Issuer: acme, Subject: strings.Repeat("s", 600)},
	} {
		_, _, err := h.SignIn(t.Context(), a)
		wantErr(t, what, err, login.ErrInvalid)
	}
}

func TestUsernames(t *testing.T) {
	for text, want := range map[string]string{
		"ada": "ada", " Ada ": "ada", "ada@acme.example": "ada@acme.example", "a.b-c_d+e": "a.b-c_d+e", "7": "7",
		"": "", "-a": "", "ádá": "", "a b": "", "usr_x": "", "a\n.": "", strings.Repeat("a", 65): "", "@a": "",
	} {
		if got, err := login.Username(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"ada@acme.example", "a@b@c.d", "Ä@x.y", "a@-b.c", "a..b@c.d", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		local, domain, ok := login.Address(text)
		if !ok {
			if local != "" || domain != "" {
				t.Errorf("%q: got %q, %q of no address", text, local, domain)
			}
			return
		}
		again := local + "@" + domain
		if again != strings.ToLower(text) || strings.Count(again, "@") != 1 {
			t.Errorf("%q: got %q", text, again)
		}
		for _, r := range again {
			if r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) {
				t.Errorf("%q: %q is in it", text, r)
			}
		}
	})
}
