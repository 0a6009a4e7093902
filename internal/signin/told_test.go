package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestASignInThatIsGivenUpSaysSo(t *testing.T) {
	for _, s := range []struct {
		name string
		ends func(context.Context) (context.Context, context.CancelFunc)
		want func(error) bool
	}{
		{"whoever asked went away", context.WithCancel, func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"whoever asked has no more time", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, late := context.WithCancelCause(ctx)
			return expired{ctx}, func() { late(nil) }
		}, func(err error) bool { return code(err) == CodeNobody && strings.Contains(err.Error(), "--timeout") }},
	} {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.client()
			ctx, stop := s.ends(t.Context())
			c.Open = func(context.Context, string) error { stop(); return nil } // and nobody comes
			if _, err := c.Renew(ctx, refusal(401, "Bearer", nil)); !s.want(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// expired ends as a deadline does.
type expired struct{ context.Context }

// Err implements context.Context.
func (e expired) Err() error {
	if e.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

func TestARequestIDIsRepeatedIfItIsOne(t *testing.T) {
	for id, want := range map[string]string{
		"WT56X5OZFPWD2CCV": "WT56X5OZFPWD2CCV", "0190a1b2-c3d4-7e5f": "0190a1b2-c3d4-7e5f", "": "", "x; rm -rf /": "", "a\x1b[2Jb": "", "$(id)": "", strings.Repeat("a", 65): "",
	} {
		if got := RequestID(http.Header{"X-Request-Id": {id}}); got != want {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
	}
}

func TestARefusalNamesItsRequest(t *testing.T) {
	k := &Key{Server: "http://127.0.0.1:1/mcp", Read: func(context.Context) (string, error) { return "k", nil }}
	cred, err := k.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := refusal(401, `Bearer error="invalid_token", error_description="Credential not accepted."`, cred)
	r.Header.Set("X-Request-Id", "WT56X5OZFPWD2CCV")
	_, err = k.Renew(t.Context(), r)
	for _, want := range []string{"invalid_token: Credential not accepted)", "--key-from", "gatehouse why WT56X5OZFPWD2CCV"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// TestThePageOfASignInHasItsStyleOnly holds the policy to what the page has in it.
func TestThePageOfASignInHasItsStyleOnly(t *testing.T) {
	w := newWorld(t)
	w.extra = map[string][]string{"error": {"access_denied"}, "error_description": {`<script>no</script>`}}
	c, pages := w.client(), make(chan string, 1)
	c.Open = func(_ context.Context, at string) error {
		go func() {
			res, err := http.Get(at)
			if err != nil {
				pages <- err.Error()
				return
			}
			defer func() { _ = res.Body.Close() }()
			text, _ := io.ReadAll(res.Body)
			pages <- res.Header.Get("Content-Security-Policy") + string(text)
		}()
		return nil
	}
	if _, err := w.first(c); code(err) != CodeNobody {
		t.Fatal(err)
	}
	text := <-pages
	if strings.Contains(text, "<script>") {
		t.Errorf("a stranger's text is in it as it came: %s", text)
	}
	sum := sha256.Sum256([]byte(pageStyle))
	for _, want := range []string{"GH-2229", "gatehouse bridge login", "<style>" + pageStyle + "</style>", "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"} {
		if !strings.Contains(text, want) {
			t.Errorf("got %s, want %s in it", text, want)
		}
	}
}
