package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

const behind = "examples/behind-the-gateway"

// examples are the servers of examples/behind-the-gateway: the command that
// starts each of them.
func examples() map[string]func(t *testing.T) *exec.Cmd {
	return map[string]func(t *testing.T) *exec.Cmd{
		"Go": func(t *testing.T) *exec.Cmd { return exec.Command(build(t, "behind", "./"+behind+"/go")) },
		"TypeScript": func(t *testing.T) *exec.Cmd {
			// Beside the packages: modules are looked for from where the file is.
			dir, err := os.MkdirTemp(filepath.Dir(npm(t, "node_modules")), "behind-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			for _, name := range []string{"identity.ts", "server.ts", "package.json"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(read(t, behind+"/typescript/"+name)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			return exec.Command(node(t), filepath.Join(dir, "server.ts"))
		},
	}
}

// vouched is a gateway in front of an example.
type vouched struct {
	*server.Running
	t    *testing.T
	self string // the example's URL
	key  *adminapi.Key
	c    *adminapi.Client
}

func vouch(t *testing.T, example func(t *testing.T) *exec.Cmd) *vouched {
	t.Helper()
	cmd := example(t)
	gateway, self := freeAddress(t), freeAddress(t)
	cmd.Env = append(os.Environ(), "GATEHOUSE=http://"+gateway, "SELF=http://"+self+"/mcp")
	start(t, cmd).listening(self)
	s := &server.Server{
		Config: &config.Config{
			Server: config.Server{Listen: gateway}, Auth: config.Auth{APIKeys: &config.APIKeys{}}, Policy: config.Policy{Default: config.Allow},
			Servers: []config.Upstream{{Name: "behind", URL: "http://" + self + "/mcp", Forward: config.Forward{Identity: config.IdentityJWT}}},
		},
		State:   server.State{Dir: filepath.Join(stateDir(t), "state")},
		Options: server.Options{Log: slog.New(slog.DiscardHandler), By: "test"},
	}
	r, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	v := &vouched{Running: r, t: t, self: "http://" + self + "/mcp", c: &adminapi.Client{Transport: r.Admin}}
	if v.key, err = v.c.CreateKey(t.Context(), adminapi.NewKey{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	return v
}

const whoami = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`

// ask posts a call to the gateway or to the example itself.
func (v *vouched) ask(url string, header http.Header) (status int, body string) {
	v.t.Helper()
	ctx, stop := context.WithTimeout(v.t.Context(), patience)
	defer stop()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(whoami))
	if err != nil {
		v.t.Fatal(err)
	}
	q.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"}}
	maps.Copy(q.Header, header)
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// admitted wants a call through the gateway to arrive under the caller's name.
func (v *vouched) admitted(when string) {
	v.t.Helper()
	status, body := v.ask(v.URL, http.Header{"Authorization": {"Bearer " + v.key.Key}, config.DefaultIdentity: {"forged"}})
	if want := "key:" + v.key.ID + " of default calls whoami"; status != http.StatusOK || !strings.Contains(body, want) {
		v.t.Errorf("%s: got %d %s, want %q", when, status, body, want)
	}
}

// sign has the gateway's own keys sign claims.
func (v *vouched) sign(typ string, edit func(*upstream.Identity)) string {
	v.t.Helper()
	now := time.Now().Unix()
	id := &upstream.Identity{
		Issuer: strings.TrimSuffix(v.URL, "/mcp"), Audience: v.self, Subject: "key:a", Server: "behind", Tool: "whoami", TenantName: "default", RequestID: "R",
		IssuedAt: now, NotBefore: now, Expires: now + 60,
	}
	edit(id)
	keys, err := v.Signing(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	token, err := keys.Sign(v.t.Context(), typ, id)
	if err != nil {
		v.t.Fatal(err)
	}
	return token
}

// TestExamplesBehindTheGateway lets real servers verify what a real gateway tells them.
func TestExamplesBehindTheGateway(t *testing.T) {
	t.Parallel()
	for name, example := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := vouch(t, example)
			v.admitted("at first")
			good := v.sign(upstream.IdentityType, func(*upstream.Identity) {})
			if status, body := v.ask(v.self, http.Header{config.DefaultIdentity: {good}}); status != http.StatusOK {
				t.Fatalf("a sound identity: got %d %s", status, body)
			}
			for what, token := range v.unsound(good) {
				header := http.Header{}
				if token != "" {
					header.Set(config.DefaultIdentity, token)
				}
				if status, body := v.ask(v.self, header); status != http.StatusUnauthorized || strings.Contains(body, "calls") {
					t.Errorf("%s: got %d %s, want 401", what, status, body)
				}
			}
			v.rotations()
		})
	}
}

// unsound are identities that nobody may accept.
func (v *vouched) unsound(good string) map[string]string {
	edited := func(edit func(*upstream.Identity)) string { return v.sign(upstream.IdentityType, edit) }
	part := strings.Split(good, ".")
	enc := base64.RawURLEncoding
	claims, _ := enc.DecodeString(part[1])
	var header map[string]any
	text, _ := enc.DecodeString(part[0])
	_ = json.Unmarshal(text, &header)
	head := func(alg string) string {
		header["alg"] = alg
		text, _ := json.Marshal(header)
		return enc.EncodeToString(text)
	}
	_, jwks := v.fetch("/.well-known/jwks.json")
	mac := func(secret string) string {
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte(head("HS256") + "." + part[1]))
		return head("HS256") + "." + part[1] + "." + enc.EncodeToString(h.Sum(nil))
	}
	return map[string]string{
		"missing":  "",
		"no token": "forged",
		"expired": edited(func(id *upstream.Identity) {
			id.IssuedAt, id.NotBefore, id.Expires = id.IssuedAt-120, id.IssuedAt-120, id.IssuedAt-60
		}),
		"not yet valid":    edited(func(id *upstream.Identity) { id.NotBefore += 60; id.Expires += 60 }),
		"another audience": edited(func(id *upstream.Identity) { id.Audience = v.self + "/" }),
		"no audience":      edited(func(id *upstream.Identity) { id.Audience = "" }),
		"another issuer":   edited(func(id *upstream.Identity) { id.Issuer = "https://evil.example" }),
		"no subject":       v.sign(upstream.IdentityType, func(id *upstream.Identity) { id.Subject = "" }),
		"another purpose":  v.sign("at+jwt", func(*upstream.Identity) {}),
		"tampered":         part[0] + "." + enc.EncodeToString([]byte(strings.Replace(string(claims), "default", "another", 1))) + "." + part[2],
		"unsigned":         part[0] + "." + part[1] + ".",
		"alg none":         head("none") + "." + part[1] + ".",
		"alg none, signed": head("none") + "." + part[1] + "." + part[2],
		"HS256, public":    mac(jwks),
		"HS256, empty":     mac(""),
	}
}

func (v *vouched) fetch(path string) (http.Header, string) {
	v.t.Helper()
	res, err := http.Get(strings.TrimSuffix(v.URL, "/mcp") + path)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: got %s %s, %v", path, res.Status, text, err)
	}
	return res.Header, string(text)
}

// rotations change the signing key at once, which is the hardest: the server
// has not heard of the new one when it first meets it.
func (v *vouched) rotations() {
	v.t.Helper()
	for n := range 2 {
		time.Sleep(1100 * time.Millisecond) // they look unknown keys up once a second
		if _, err := v.c.RotateSigningKey(v.t.Context(), adminapi.RotateSigning{Now: true}); err != nil {
			v.t.Fatal(err)
		}
		v.admitted(fmt.Sprintf("after rotation %d", n+1))
	}
	if h, _ := v.fetch("/.well-known/jwks.json"); h.Get("Cache-Control") != "public, max-age=300" {
		v.t.Errorf("got %q, want what the examples count on", h.Get("Cache-Control"))
	}
}

// TestPythonExample compiles what cannot be run without packages.
func TestPythonExample(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		missing(t, "python3")
	}
	file := filepath.Join(t.TempDir(), "identity.py")
	if err := os.WriteFile(file, []byte(read(t, behind+"/python/identity.py")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := run(t, patience, python, "-m", "py_compile", file); code != 0 {
		t.Errorf("got %s", errs)
	}
}
