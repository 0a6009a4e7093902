package bridge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWhatTheServerRefusesNamesItsRequest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "WT56X5OZFPWD2CCV")
		w.WriteHeader(http.StatusNotFound)
	}))
	defer s.Close()
	d := sit(t, s.URL+"/account", nil)
	d.say(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	got := <-d.lines
	for _, want := range []string{`"request_id":"WT56X5OZFPWD2CCV"`, "gatehouse why WT56X5OZFPWD2CCV", "GH-2237", "/mcp"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s in it", got, want)
		}
	}
}
