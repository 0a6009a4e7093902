package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// TestA110AServerWithAHostGoesByNoOtherName has two servers at one path, each
// with a name of its own, asked under names of all kinds.
func TestA110AServerWithAHostGoesByNoOtherName(t *testing.T) {
	named := func(name string) string {
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"who":"`+name+`"}}`)
		}))
		t.Cleanup(up.Close)
		return up.URL + "/mcp"
	}
	s := over(t, named("a"))
	s.Config.Servers[0].Host = "a.example"
	s.Config.Servers = append(s.Config.Servers, config.Upstream{Name: "b", Host: "b.example", URL: named("b")})
	r := started(t, s)
	key := newKey(t, r).Key
	_, port, _ := strings.Cut(r.Address, ":")
	for host, want := range map[string]string{
		"a.example": "a", "B.Example": "b", "b.example:" + port: "b",
		"localhost": "", "127.0.0.1:" + port: "", "[::1]": "", "a.example.": "", "x.a.example": "", "a.example@b.example": "",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.Address+"/mcp", strings.NewReader(list))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Authorization": {"Bearer " + key}, "X-Forwarded-Host": {"b.example"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if want == "" {
			if res.StatusCode != http.StatusMisdirectedRequest && res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: got %d %s, want 421", host, res.StatusCode, body)
			}
		} else if !strings.Contains(string(body), `"who":"`+want+`"`) {
			t.Errorf("%s: got %d %s, want server %s", host, res.StatusCode, body, want)
		}
	}
}
