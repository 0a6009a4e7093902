package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// window is what a program takes for its user's browser: $BROWSER is a script
// that hands the URL over and ends, as a desktop's opener does.
type window struct {
	home string // of the program: what it keeps is there
	env  []string
	ctx  context.Context // ends with the test, or when nobody will come back to the program
	stop context.CancelFunc

	mu   sync.Mutex
	sent []map[string]string // parameters of each authorization request
}

// openWindow makes one whose URLs go to somebody, who is not waited for.
func openWindow(t testing.TB, shown func(w *window, at string)) *window {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		missing(t, "curl")
	}
	w := &window{home: t.TempDir()}
	w.ctx, w.stop = context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(w.stop)
	at := posted(t, func(at string) (string, error) {
		_, sent := hinted(at, "")
		w.mu.Lock()
		w.sent = append(w.sent, sent)
		w.mu.Unlock()
		shown(w, at)
		return "", nil
	})
	script := filepath.Join(w.home, "browser")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec curl -sS --fail --data-raw \"$1\" "+at+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.env = append(os.Environ(), "BROWSER="+script, "HOME="+w.home, "NO_COLOR=1")
	return w
}

// requests are the authorization requests so far.
func (w *window) requests() []map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]map[string]string(nil), w.sent...)
}

// window is one that its user looks at: they go where the program wants them, do
// what they are asked, and are sent back to where the program listens.
func (r *resident) window(t testing.TB) *window {
	t.Helper()
	var busy sync.WaitGroup
	w := openWindow(t, func(w *window, at string) {
		busy.Go(func() {
			back, err := r.visit(t.Context(), at)
			if err == nil {
				err = arrive(t.Context(), back)
			}
			if err != nil {
				t.Errorf("%s: %v", r.name, err)
				w.stop()
			}
		})
	})
	t.Cleanup(busy.Wait)
	return w
}

// arrive goes to where a program listens, or soon will: some have their user
// begin before they do, and a person is not as fast as a test.
func arrive(ctx context.Context, at *url.URL) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return err
	}
	for {
		res, err := http.DefaultClient.Do(q)
		if err == nil {
			defer func() { _ = res.Body.Close() }()
			if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s %s", at.Redacted(), res.Status, text)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
