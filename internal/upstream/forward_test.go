package upstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// plainly "signs" by showing the claims.
type plainly struct{ err error }

func (p plainly) Sign(_ context.Context, typ string, claims any) (string, error) {
	text, _ := json.Marshal(claims)
	return typ + " " + string(text), p.err
}

func forward(t testing.TB, c config.Forward) *upstream.Forward {
	t.Helper()
	f := &upstream.Forward{
		Forward: c, Issuer: "https://mcp.example.com", Audience: "http://127.0.0.1:3000/mcp", Server: "files", Signer: plainly{},
		Now: func() time.Time { return time.Unix(1_800_000_000, 999) },
	}
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	return f
}

func caller() *upstream.Caller {
	return &upstream.Caller{Subject: "key:abc", Tenant: "TENANTID", TenantName: "acme", KeyID: "abc", Method: "tools/call", Tool: "get_note", RequestID: "REQUEST"}
}

const identity = `gatehouse-identity+jwt {"iss":"https://mcp.example.com","aud":"http://127.0.0.1:3000/mcp","sub":"key:abc","tenant":"TENANTID",` +
	`"tenant_name":"acme","key_id":"abc","server":"files","method":"tools/call","tool":"get_note","jti":"REQUEST","iat":1800000000,"nbf":1799999995,"exp":1800000060}`

func TestAttach(t *testing.T) {
	tests := []struct {
		name string
		c    config.Forward
		want http.Header
	}{
		{"nothing", config.Forward{}, http.Header{}},
		{"nothing, said in words", config.Forward{Identity: "none", Header: "X-Other"}, http.Header{}},
		{"a signed identity", config.Forward{Identity: "jwt"}, http.Header{"X-Gatehouse-Identity": {identity}}},
		{"a signed identity elsewhere", config.Forward{Identity: "jwt", Header: "x-who"}, http.Header{"X-Who": {identity}}},
		{"plain headers", config.Forward{Identity: "headers"}, http.Header{
			"X-Gatehouse-Subject": {"key:abc"}, "X-Gatehouse-Tenant": {"TENANTID"}, "X-Gatehouse-Tenant-Name": {"acme"}, "X-Gatehouse-Key-Id": {"abc"},
			"X-Gatehouse-Server": {"files"}, "X-Gatehouse-Method": {"tools/call"}, "X-Gatehouse-Tool": {"get_note"}, "X-Gatehouse-Request-Id": {"REQUEST"},
		}},
		{"the tenant, and our credential", config.Forward{TenantHeader: "x-tenant-id", Authorization: "Bearer upstream"}, http.Header{
			"X-Tenant-Id": {"acme"}, "Authorization": {"Bearer upstream"},
		}},
	}
	for _, tt := range tests {
		h := http.Header{}
		if err := forward(t, tt.c).Attach(t.Context(), h, caller()); err != nil || !reflect.DeepEqual(h, tt.want) {
			t.Errorf("%s:\n got %v, %v\nwant %v", tt.name, h, err, tt.want)
		}
	}
	var none *upstream.Forward
	if err := none.Attach(t.Context(), nil, nil); err != nil {
		t.Errorf("no Forward: got %v", err)
	}
}

// Whatever is there already under a name of ours, however it is spelt, ours is the only one.
func TestA128OursIsTheOnlyOne(t *testing.T) {
	f := forward(t, config.Forward{Identity: "jwt", TenantHeader: "X-Tenant-Id", Authorization: "Bearer upstream"})
	h := http.Header{"Accept": {"x"}, "X-Request-Id": {"REQUEST"}}
	for _, name := range []string{
		"X-Gatehouse-Identity", "x-gatehouse-identity", "X_Gatehouse_Identity", "X-Gatehouse_Identity", "X-Gatehouse-Subject", "x_gatehouse_anything", "X-GATEHOUSE-",
		"X-Tenant-Id", "X_TENANT_ID", "Authorization", "authorization", "AUTHORIZATION",
	} {
		h[name] = []string{"forged", "twice"}
	}
	if err := f.Attach(t.Context(), h, caller()); err != nil {
		t.Fatal(err)
	}
	want := http.Header{"Accept": {"x"}, "X-Request-Id": {"REQUEST"}, "X-Gatehouse-Identity": {identity}, "X-Tenant-Id": {"acme"}, "Authorization": {"Bearer upstream"}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got %v, want %v", h, want)
	}
	// What is empty is not sent, and still nobody else's.
	h = http.Header{"X-Tenant-Id": {"forged"}, "X-Gatehouse-Tool": {"forged"}}
	f = forward(t, config.Forward{Identity: "headers", TenantHeader: "X-Tenant-Id"})
	if err := f.Attach(t.Context(), h, &upstream.Caller{Subject: upstream.Ourselves, RequestID: "R"}); err != nil || h["X-Tenant-Id"] != nil || h["X-Gatehouse-Tool"] != nil {
		t.Errorf("got %v, %v, want neither tenant nor tool", h, err)
	}
}

func TestToolNamesFitIntoHeaders(t *testing.T) {
	f := forward(t, config.Forward{Identity: "headers"})
	for _, tool := range []string{"get_note", "a b", " lead", "trail ", "a\r\nX-Gatehouse-Tenant: other", "ü", "\x00", "=?base64?eA==?=", "=?base64?", strings.Repeat("x", 256), "\u202e", "\xff"} {
		h, c := http.Header{}, caller()
		c.Tool = tool
		if err := f.Attach(t.Context(), h, c); err != nil {
			t.Fatal(err)
		}
		sent := h["X-Gatehouse-Tool"][0]
		if strings.ContainsFunc(sent, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(sent) != sent {
			t.Errorf("%q: got %q, want a header's value", tool, sent)
		}
		if back, err := mcp.DecodeHeaderValue(sent); back != tool && tool != "\xff" {
			t.Errorf("%q: got %q back, %v", tool, back, err)
		}
	}
	for _, identity := range []string{"headers", "jwt"} {
		c := caller()
		c.Tool = strings.Repeat("x", 257)
		h := http.Header{}
		err := forward(t, config.Forward{Identity: identity, Authorization: "Bearer upstream"}).Attach(t.Context(), h, c)
		if e, ok := errors.AsType[*gatehouse.Error](err); !ok || e.Code != "GH-1313" || len(h) != 0 {
			t.Errorf("%s: got %v and %v for a name that is too long, want GH-1313 and nothing", identity, err, h)
		}
	}
}

func TestAttachFailsClosed(t *testing.T) {
	f := forward(t, config.Forward{Identity: "jwt", Authorization: "Bearer upstream"})
	f.Signer = plainly{errors.New("no key")}
	h := http.Header{}
	if err := f.Attach(t.Context(), h, caller()); err == nil || len(h) != 0 {
		t.Errorf("got %v and %v, want an error and nothing", h, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, f := range map[string]*upstream.Forward{
		"another identity":            {Forward: config.Forward{Identity: "basic"}},
		"a JWT that nobody signs":     {Forward: config.Forward{Identity: "jwt"}, Issuer: "x", Audience: "x"},
		"a JWT for nobody":            {Forward: config.Forward{Identity: "jwt"}, Issuer: "x", Signer: plainly{}},
		"a JWT of nobody":             {Forward: config.Forward{Identity: "jwt"}, Audience: "x", Signer: plainly{}},
		"the callers' own header":     {Forward: config.Forward{Header: "authorization"}},
		"a header that callers fill":  {Forward: config.Forward{TenantHeader: "Mcp-Param-Tenant"}},
		"as a careless reader has it": {Forward: config.Forward{TenantHeader: "MCP_SESSION_ID"}},
		"the request's id":            {Forward: config.Forward{TenantHeader: "X-Request-Id"}},
		"a header of the connection":  {Forward: config.Forward{Header: "Connection"}},
		"no header's name":            {Forward: config.Forward{Header: "X Y"}},
		"a line break":                {Forward: config.Forward{Header: "X-Y\r\nZ"}},
		"one header for two":          {Forward: config.Forward{Header: "X-Who", TenantHeader: "x_who"}},
		"one of ours for the tenant":  {Forward: config.Forward{Identity: "headers", TenantHeader: "X-Gatehouse-Tenant"}},
		"a credential of two lines":   {Forward: config.Forward{Authorization: "Bearer secret\r\nX: y"}},
		"a credential with a blank":   {Forward: config.Forward{Authorization: "Bearer secret\n"}},
		"a credential beyond ASCII":   {Forward: config.Forward{Authorization: "Bearer sécret"}},
	} {
		if err := f.Open(); err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: got %v, want a refusal that does not show it", name, err)
		}
	}
}

func FuzzAttach(f *testing.F) {
	f.Add("get_note", "X-Tenant-Id")
	f.Add("a\r\nb", "x_gatehouse_tool")
	f.Fuzz(func(t *testing.T, tool, name string) {
		fw := forward(t, config.Forward{Identity: "headers"})
		h, c := http.Header{name: {"forged"}}, caller()
		c.Tool = tool
		if fw.Attach(t.Context(), h, c) != nil {
			return
		}
		for n, values := range h {
			ours := strings.HasPrefix(config.Folded(n), "x-gatehouse-")
			if ours && (len(values) != 1 || values[0] == "forged" && tool != "forged" || strings.ContainsAny(values[0], "\r\n\x00")) {
				t.Errorf("got %q: %q", n, values)
			}
		}
	})
}

// BenchmarkAttach measures what telling adds to a call, but for the signature:
// that is BenchmarkSign of package signing.
func BenchmarkAttach(b *testing.B) {
	for _, c := range []config.Forward{{Authorization: "Bearer upstream"}, {Identity: "headers"}, {Identity: "jwt"}} {
		b.Run(c.Identity, func(b *testing.B) {
			f := forward(b, c)
			b.ReportAllocs()
			for b.Loop() {
				h := http.Header{"Accept": {"x"}, "Content-Type": {"x"}, "User-Agent": {"x"}, "Mcp-Protocol-Version": {"x"}, "X-Request-Id": {"x"}}
				if err := f.Attach(b.Context(), h, caller()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
