package signin

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestWhenATokenIsRenewed(t *testing.T) {
	got := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		life, after time.Duration
		noted, due  bool
	}{
		"a token of ten minutes, at once":           {10 * time.Minute, 0, true, false},
		"a token of ten minutes, before its end":    {10 * time.Minute, 10*time.Minute - 19*time.Second, true, true},
		"a token of eight seconds, at once":         {8 * time.Second, 0, true, false},
		"a token of eight seconds, before its end":  {8 * time.Second, 6 * time.Second, true, true},
		"one that nobody noted, of eight seconds":   {8 * time.Second, 0, false, true},
		"a clock that was set back by two hours":    {10 * time.Minute, -2 * time.Hour, true, false},
		"a clock that was set forward by two hours": {10 * time.Minute, 2 * time.Hour, true, true},
	} {
		s := &session{Got: got, Expires: got.Add(tt.life)}
		if !tt.noted {
			s.Got = time.Time{}
		}
		if due := s.due(got.Add(tt.after)); due != tt.due {
			t.Errorf("%s: due is %t", name, due)
		}
	}
}

// TestATokenServesToItsEnd while the authorization server is being restarted, and not beyond.
func TestATokenServesToItsEnd(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	if _, err := w.first(c); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.token = func(url.Values) (int, string) { return http.StatusServiceUnavailable, "later" }
	w.mu.Unlock()
	c.Now = func() time.Time { return time.Now().Add(time.Hour - early/2) }
	if cred, err := c.Credential(t.Context()); err != nil || cred.text != "at-1" {
		t.Errorf("got %+v, %v", cred, err)
	}
	c.Now = func() time.Time { return time.Now().Add(time.Hour + time.Second) }
	if cred, err := c.Credential(t.Context()); !passes(err) {
		t.Errorf("got %+v, %v, want an error that passes", cred, err)
	}
	w.mu.Lock()
	w.token = func(url.Values) (int, string) { return http.StatusBadRequest, `{"error":"invalid_scope"}` }
	w.mu.Unlock()
	if _, err := c.Credential(t.Context()); err == nil || passes(err) {
		t.Errorf("got %v, want one that does not pass", err)
	}
}
