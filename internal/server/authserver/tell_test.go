package authserver

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// TestARefusalIsFoundByItsIDAndBelongsToItsLogin: the client is told the id of its
// request, and the trail ties that to the login, if the code or token was genuine.
func TestARefusalIsFoundByItsIDAndBelongsToItsLogin(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	code := d.code("cli")
	id, _, err := keytext.Read(keytext.Code, code)
	if err != nil {
		t.Fatal(err)
	}
	guessed := keytext.Compose(keytext.Code, id, keytext.NewSecret())
	wrong := strings.Repeat("x", 43)
	refresh := func(text string) []string {
		return []string{"grant_type", "refresh_token", "client_id", "cli", "refresh_token", text}
	}
	tests := []struct {
		name, flow string
		before     func()
		form       []string
	}{
		{"a wrong verifier", "flow-1", nil, redeemForm("cli", code, "code_verifier", wrong)},
		{"a code that was guessed", "", nil, redeemForm("cli", guessed)},
		{"no code of ours", "", nil, redeemForm("cli", "x")},
		{"another resource", "flow-1", nil, redeemForm("cli", code, "resource", otherResource)},
		{"an account that was disabled", "flow-1", func() { d.disable("usr_ada", login.Disabled) }, redeemForm("cli", code)},
		{"a code that was used", "flow-1", func() { d.disable("usr_ada", login.Active) }, redeemForm("cli", code)},
		{"no refresh token of ours", "", nil, refresh("gthr_x")},
	}
	for _, tt := range tests {
		if tt.before != nil {
			tt.before()
		}
		got := d.post("/token", tt.form...)
		e := d.trail.events[len(d.trail.events)-1]
		if got.ResponseRecorder.Code != 400 || e.Outcome != audit.Refused || e.Request == "" || e.Request != got.Request || e.Detail[audit.DetailFlow] != tt.flow {
			t.Errorf("%s: got %d %s and %+v, want it to belong to %q", tt.name, got.ResponseRecorder.Code, got.Body, e, tt.flow)
		}
	}
	one := d.login("cli")
	two := d.post("/token", refresh(one.Refresh)...).ok()
	if e := d.trail.events[len(d.trail.events)-1]; e.Request != "flow-1" || e.Action != "refresh" {
		t.Errorf("got %+v, want a step of the login", e)
	}
	d.disable("usr_ada", login.Disabled)
	got := d.post("/token", refresh(two.Refresh)...)
	if e := d.trail.events[len(d.trail.events)-1]; e.Request != got.Request || e.Detail[audit.DetailFlow] != "flow-1" || e.Code != "GH-1418" {
		t.Errorf("got %+v, want a step of the login by the id that the client was told", e)
	}
}
