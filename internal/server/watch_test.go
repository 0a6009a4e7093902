package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// fromFile runs a server of a file. write writes the file, with more in its server's section.
func fromFile(t *testing.T) (r *Running, write func(more string), dir string) {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	dir = t.TempDir()
	path := filepath.Join(dir, "gatehouse.yaml")
	write = func(more string) {
		t.Helper()
		text := "version: 1\nserver: {listen: '127.0.0.1:0'}\nauth: {api_keys: {}}\npolicy: {default: allow}\nservers:\n  - name: test\n    url: " + up.URL + "/mcp\n" + more
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	s := over(t, up.URL)
	s.Load = func(context.Context) (*config.Config, error) { return config.Load(path, config.Outside{}) }
	var err error
	if s.Config, err = s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return started(t, s), write, dir
}

// watched is Watch until the test ends.
func watched(t *testing.T, r *Running) <-chan struct{} {
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	return r.Watch(ctx)
}

// noticed wants a change within a while, and no other after it.
func noticed(t *testing.T, changed <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s is not noticed", what)
	}
}

func TestWatchNoticesWhatChangedWhileWeStarted(t *testing.T) {
	r, write, _ := fromFile(t)
	write("    path: /other\n")
	noticed(t, watched(t, r), "a change from before the watch")
}

func TestWatchNoticesThatAFileIsMendedThatNothingInForceNames(t *testing.T) {
	r, write, dir := fromFile(t)
	changed := watched(t, r)
	secret := filepath.Join(dir, "token")
	if err := errors.Join(os.WriteFile(secret, []byte("x"), 0o600), os.Chmod(secret, 0o644)); err != nil {
		t.Fatal(err)
	}
	write("    forward: {authorization: 'Bearer ${file:token}'}\n")
	noticed(t, changed, "a change of the file")
	if _, err := r.Reload(t.Context(), "test"); err == nil {
		t.Fatal("a secret that all may read was accepted")
	}
	select {
	case <-changed:
		t.Error("something has changed, although nobody did anything")
	case <-time.After(4 * lookEvery):
	}
	if err := os.Chmod(secret, 0o600); err != nil {
		t.Fatal(err)
	}
	noticed(t, changed, "that the secret's file was closed to others")
	if _, err := r.Reload(t.Context(), "test"); err != nil {
		t.Error(err)
	}
	select {
	case <-changed:
		t.Error("something has changed after it was read")
	case <-time.After(4 * lookEvery):
	}
}
