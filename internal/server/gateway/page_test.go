package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestABrowserWithoutACredentialIsShownThePage, and everybody else the refusal:
// another method, another credential, another wish.
func TestABrowserWithoutACredentialIsShownThePage(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	tests := []struct {
		name, method string
		lines        []string
		page         bool
	}{
		{"a browser", "GET", []string{"Accept: text/html,application/xhtml+xml,*/*;q=0.8"}, true},
		{"a client that opens a stream", "GET", []string{"Accept: text/event-stream"}, false},
		{"a client that calls", "POST", []string{"Accept: application/json, text/event-stream, text/html"}, false},
		{"a client that ends a session", "DELETE", []string{"Accept: text/html"}, false},
		{"a wrong key", "GET", []string{"Accept: text/html", "Authorization: Bearer nonsense"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := ""
			if tt.method == "POST" {
				body = ping
			}
			got := s.one(t, s.plain(tt.method, "/mcp", body, tt.lines...))
			if got.status != http.StatusUnauthorized || strings.Contains(got.body, "<html") != tt.page {
				t.Errorf("got %d %s", got.status, got.body)
			}
			if got.header.Get("WWW-Authenticate") == "" || got.header.Get("Cache-Control") != "no-store" || tt.page != (got.header.Get("Content-Security-Policy") != "") {
				t.Errorf("got headers %v", got.header)
			}
		})
	}
	s.gate.Page = nil
	if got := s.one(t, s.plain("GET", "/mcp", "", "Accept: text/html")); got.status != http.StatusUnauthorized || !strings.Contains(got.body, `"code":"GH-1001"`) {
		t.Errorf("without a page: got %d %s", got.status, got.body)
	}
}
