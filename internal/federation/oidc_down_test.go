package federation_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
)

func TestTheProviderIsDown(t *testing.T) {
	d := newDouble(t)
	d.down = true
	s := d.settings()
	now := time.Now()
	s.Now = func() time.Time { return now }
	p := open(t, s)
	_, err := p.Begin(t.Context(), callback, "", false)
	if r := wantRefusal(t, "at first", nil, err, federation.CodeUnavailable); !errors.Is(r, federation.ErrUnavailable) {
		t.Errorf("got %v", r)
	}
	if _, err := p.Begin(t.Context(), callback, "", false); err == nil || d.calls("/.well-known/openid-configuration") != 1 {
		t.Errorf("asked again at once: %v", err)
	}
	d.down = false
	now = now.Add(time.Minute)
	if _, err := d.signIn(p); err != nil {
		t.Fatal(err)
	}
	d.down = true
	now = now.Add(23 * time.Hour)
	if _, err := p.Begin(t.Context(), callback, "", false); err != nil {
		t.Errorf("what was known is not used: %v", err)
	}
	now = now.Add(2 * time.Hour)
	_, err = p.Begin(t.Context(), callback, "", false)
	wantRefusal(t, "a day later", nil, err, federation.CodeUnavailable)
}

func TestMetadataThatIsNoUse(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"another issuer":           {"issuer": "https://evil.example"},
		"no token endpoint":        {"token_endpoint": ""},
		"no keys":                  {"jwks_uri": ""},
		"keys over plain HTTP":     {"jwks_uri": "http://127.0.0.1/keys"},
		"a private token endpoint": {"token_endpoint": "https://10.0.0.1/token"},
		"a script":                 {"authorization_endpoint": "javascript:alert(1)"},
	} {
		d := newDouble(t)
		d.metadata = change
		_, err := open(t, d.settings()).Begin(t.Context(), callback, "", false)
		wantRefusal(t, name, nil, err, federation.CodeSetup)
	}
}

func TestKeysRotate(t *testing.T) {
	d := newDouble(t)
	p := open(t, d.settings())
	if _, err := d.signIn(p); err != nil {
		t.Fatal(err)
	}
	d.rotate()
	d.kid = "k2"
	if _, err := d.signIn(p); err != nil {
		t.Errorf("with a new key: %v", err)
	}
}

func TestWhatTheTokenEndpointSays(t *testing.T) {
	tests := []struct {
		name, code string
		status     int
		body       string
	}{
		{"the code was used", federation.CodeState, 400, `{"error":"invalid_grant","error_description":"canary <b>"}`},
		{"we are not known", federation.CodeSetup, 401, `{"error":"invalid_client","error_description":"canary"}`},
		{"we are not known, in a page", federation.CodeSetup, 401, `<html>canary`},
		{"an error of its own", federation.CodeUnavailable, 500, `canary`},
		{"too many", federation.CodeUnavailable, 429, `{"error":"slow_down"}`},
		{"something else", federation.CodeAnswer, 400, `{"error":"canary"}`},
		{"no JSON", federation.CodeAnswer, 200, `access_token`},
		{"no token", federation.CodeAnswer, 200, `{"token_type":"Bearer"}`},
	}
	for _, tt := range tests {
		d := newDouble(t)
		d.token = func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
			return true
		}
		who, err := d.signIn(open(t, d.settings()))
		wantRefusal(t, tt.name, who, err, tt.code)
	}
	d := newDouble(t)
	d.token = func(w http.ResponseWriter) bool {
		w.Header().Set("Location", "https://evil.example/token")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	}
	who, err := d.signIn(open(t, d.settings()))
	wantRefusal(t, "a redirect", who, err, federation.CodeAnswer)
}

// Entra is a double with the preset's rules: its issuer is of Microsoft, so that
// what the browser brings back is all that can be tried without it.
func TestEntraSaysWhyInNumbers(t *testing.T) {
	d := newDouble(t)
	s := d.settings()
	s.Preset, s.Params = "entra", map[string]string{"tenant": "08541b6e-646d-43de-a0eb-834e6713d6d5"}
	s.Title = ""
	p := open(t, s)
	for number, want := range map[string]string{
		"50105": "not assigned", "53003": "rule of your organization", "50011": "redirect URI", "7000222": "secret has expired", "9010010": "resource", "999999": "did not let you in",
	} {
		start, _ := d.begin(p, false)
		who, err := p.Finish(t.Context(), callback, &start.Pending, &federation.Callback{
			State: start.Pending.State, Error: "access_denied", ErrorDescription: "AADSTS" + number + ": canary <script> Trace ID: x",
		})
		code := federation.CodeDenied
		if number == "50011" || number == "7000222" || number == "9010010" {
			code = federation.CodeSetup
		}
		r := wantRefusal(t, number, who, err, code)
		if !strings.Contains(r.Text, want) || !strings.Contains(r.Text, "AADSTS"+number) || !strings.Contains(r.Text, "Microsoft Entra ID") {
			t.Errorf("%s: got %q", number, r.Text)
		}
	}
}
