package authserver

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestTheStyleIsKept(t *testing.T) {
	h := newHouse(t)
	p := h.browser().get("/device")
	href := "/auth/" + assets()["style.css"].name
	if !strings.Contains(p.text, `href="`+href+`"`) {
		t.Fatalf("the page has no style\n%s", p.text)
	}
	style := h.browser().get(href)
	if style.StatusCode != http.StatusOK || style.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(style.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("got %d %v", style.StatusCode, style.Header)
	}
	isPage(t, "another hash", h.browser().get("/auth/style-AAAAAAAA.css"), 404, "GH-1426")
}

// TestPagesAreLight holds each page, with all that it loads, to 30 KiB.
func TestPagesAreLight(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.get(askTrusted())
	login := b.get(b.decide(consent, "allow").Header.Get("Location"))
	in := h.browser()
	in.signIn(h.ada)
	for range 20 {
		in.decide(in.get(askTrusted("prompt", "consent")), "allow")
	}
	for name, p := range map[string]*reply{"consent": consent, "login": login, "device": b.get("/device"), "account": in.get("/account"), "unknown": b.get(ask("x", ""))} {
		weight := len(p.text)
		for _, a := range assets() {
			if strings.Contains(p.text, a.name) {
				weight += len(a.body)
			}
		}
		if weight > 30<<10 {
			t.Errorf("%s: %d bytes", name, weight)
		}
		t.Logf("%s: %d bytes, %d of them the page", name, weight, len(p.text))
	}
}

func TestAPageThatCannotBeWrittenIsSaidSo(t *testing.T) {
	h := newHouse(t)
	for name, data := range map[string]any{"consent": nil, "nothing": nil} {
		w := httptest.NewRecorder()
		h.page(w, httptest.NewRequest("GET", "/", nil), 200, name, data)
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "Nothing was granted") {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}

func FuzzShown(f *testing.F) {
	for _, seed := range []string{"Claude", "a\u202eb", "\xff\xfe", strings.Repeat("\u0301", 99), " \n x", "\u0301\u0301\x10\u0301", strings.Repeat("x", 63) + " y", strings.Repeat("x", 64) + " y", "a\u0301\x10\u0301\u0301", "\ufeff\u2800\u00ad"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := shown(text)
		if utf8.RuneCountInString(got) > maxShown+1 || !utf8.ValidString(got) || strings.TrimSpace(got) != got {
			t.Errorf("%q: got %q", text, got)
		}
		marks := 0
		for _, c := range got {
			if unicode.Is(unicode.Cf, c) || unicode.IsControl(c) || c == utf8.RuneError {
				t.Errorf("%q: got %U", text, c)
			}
			if marks++; !unicode.Is(unicode.M, c) {
				marks = 0
			}
			if marks > maxMarks {
				t.Errorf("%q: a pile of marks", text)
			}
		}
	})
}

func FuzzOpenFlow(f *testing.F) {
	h := newServer(f)
	sealed, err := h.sealFlow(&flow{ID: "x", Began: h.now()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("s1.0011223344556677.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := h.openFlow(text); (err == nil) != (got != nil) || err == nil && got.ID != "x" {
			t.Errorf("%q: got %v %v", text, got, err)
		}
	})
}
