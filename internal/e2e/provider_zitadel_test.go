package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// zitadelProject is the project that its tokens are for.
const zitadelProject = "162840776835432345"

// zitadelProvider starts the example provider of zitadel/oidc. Its users are
// id1, an editor, and id2, a viewer.
func zitadelProvider(t testing.TB, more ...string) *provider {
	t.Helper()
	p := newProvider(t, "zitadel")
	p.client = "native"
	program := zitadelBinary(t)
	p.command = func() *exec.Cmd {
		return exec.Command(program, append([]string{"-listen", p.address, "-issuer", p.issuer, "-cert", p.file("cert.pem"), "-key", p.file("key.pem"), "-redirect", redirectURI}, more...)...)
	}
	name := map[string]string{"id1": "test-user@127.0.0.1", "id2": "test-user2"}
	p.page = func(browser *http.Client, at *url.URL, user string) (string, error) {
		res, err := browser.PostForm(p.issuer+"/login/username", url.Values{
			"id": {at.Query().Get("authRequestID")}, "username": {name[user]}, "password": {"verysecure"},
		})
		if err != nil {
			return "", err
		}
		_ = res.Body.Close()
		return res.Header.Get("Location"), nil
	}
	p.rotate = func() {
		res, err := p.browser().Post(p.issuer+"/test/rotate", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	p.start()
	return p
}

var zitadelOnce sync.Map // directory → func() (string, error)

// zitadelBinary builds the module of its own that the example is in.
func zitadelBinary(t testing.TB) string {
	t.Helper()
	dir := root(t)
	once, _ := zitadelOnce.LoadOrStore(dir, sync.OnceValues(func() (string, error) {
		out := filepath.Join(dir, ".tools", "e2e", "zitadel")
		cmd := exec.Command("go", "build", "-trimpath", "-o", out, ".")
		cmd.Dir, cmd.Env = filepath.Join(dir, "internal", "e2e", "zitadel"), append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, text)
		}
		return out, nil
	}))
	program, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return program
}
