package entrance

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// server answers by method and path; "{}" in an answer is its own URL.
func server(t *testing.T, answers map[string]func(http.ResponseWriter, string)) (*httptest.Server, *[]string) {
	t.Helper()
	asked := &[]string{}
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.URL.Path)
		if r.Header.Get("Authorization") != "" {
			t.Error("a credential was sent")
		}
		if answer := answers[r.Method+" "+r.URL.Path]; answer != nil {
			answer(w, s.URL)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	return s, asked
}

func says(status int, media, body string, headers ...string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, self string) {
		w.Header().Set("Content-Type", media)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], strings.ReplaceAll(headers[i+1], "{}", self))
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(strings.ReplaceAll(body, "{}", self)))
	}
}

func fetcher(t *testing.T) safehttp.Fetcher {
	t.Helper()
	c, err := safehttp.Policy{Allow: []string{"127.0.0.1"}}.Client()
	if err != nil {
		t.Fatal(err)
	}
	return safehttp.Fetcher{Client: c}
}

const (
	prm  = "/.well-known/oauth-protected-resource"
	asm  = "/.well-known/oauth-authorization-server"
	kind = "application/json"
)

func TestWhatServersSay(t *testing.T) {
	type answers = map[string]func(http.ResponseWriter, string)
	closed := says(401, kind, "{}", "WWW-Authenticate", `Bearer realm="x", resource_metadata="{}/prm"`)
	bare := says(401, kind, "{}", "WWW-Authenticate", "Bearer")
	metadata := says(200, kind, `{"issuer":"{}","authorization_endpoint":"{}/a","token_endpoint":"{}/t","code_challenge_methods_supported":["S256"],"registration_endpoint":"{}/r","client_id_metadata_document_supported":true}`)
	mine := says(200, kind, `{"resource":"{}/mcp","authorization_servers":["{}"]}`)
	tests := []struct {
		name     string
		answers  answers
		way      clients.Way
		register []string
		note     string
	}{
		{"nothing is asked for", answers{"POST /mcp": says(200, "text/event-stream", "data: {}\n\n", "Mcp-Session-Id", "s")}, clients.Open, nil, ""},
		{"a key", answers{"POST /mcp": bare}, clients.ByKey, nil, ""},
		{"OAuth, by the challenge", answers{"POST /mcp": closed, "GET /prm": mine, "GET " + asm: metadata}, clients.ByOAuth, []string{"cimd", "dcr"}, ""},
		{"OAuth, behind the path", answers{"POST /mcp": bare, "GET " + prm + "/mcp": mine, "GET " + asm: metadata}, clients.ByOAuth, []string{"cimd", "dcr"}, ""},
		{"OAuth, at the root", answers{"POST /mcp": bare, "GET " + prm: mine, "GET " + asm: metadata}, clients.ByOAuth, []string{"cimd", "dcr"}, ""},
		{"OAuth, whose server is away", answers{"POST /mcp": bare, "GET " + prm: mine}, clients.ByOAuth, nil, "could not be asked"},
		{"the metadata of another", answers{"POST /mcp": closed, "GET /prm": says(200, kind, `{"resource":"https://other.example","authorization_servers":["{}"]}`)}, clients.ByKey, nil, "not of this URL"},
		{"metadata without a server", answers{"POST /mcp": closed, "GET /prm": says(200, kind, `{"resource":"{}/mcp"}`)}, clients.ByKey, nil, ""},
		{"a challenge that is too long", answers{"POST /mcp": says(401, kind, "{}", "WWW-Authenticate", `Bearer resource_metadata="{}/`+strings.Repeat("a", 1000)+`"`), "GET /" + strings.Repeat("a", 1000): mine, "GET " + asm: metadata}, clients.ByKey, nil, ""},
		{"metadata elsewhere", answers{"POST /mcp": says(401, kind, "{}", "WWW-Authenticate", `Bearer resource_metadata="http://169.254.169.254/latest"`)}, clients.ByKey, nil, ""},
		{"metadata that is a page", answers{"POST /mcp": bare, "GET " + prm: says(200, "text/html", "<html>")}, clients.ByKey, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, asked := server(t, tt.answers)
			got, err := Ask(t.Context(), fetcher(t), s.URL+"/mcp")
			if err != nil || got.Way != tt.way || !slices.Equal(got.Register, tt.register) || !strings.Contains(strings.Join(got.Notes, " "), tt.note) || tt.note == "" && len(got.Notes) > 0 {
				t.Errorf("got %+v, %v; asked %q", got, err, *asked)
			}
			if tt.way == clients.Open && !slices.Contains(*asked, "DELETE /mcp") {
				t.Errorf("the session stays: %q", *asked)
			}
		})
	}
}

// TestNothingThatAServerSaysActsUponATerminal has metadata with what moves a
// cursor, sets a title or turns the direction of writing.
func TestNothingThatAServerSaysActsUponATerminal(t *testing.T) {
	const hostile = `https://a.example/\u001b]0;x\u0007\u001b[2J\u009b2J\u202eevil\r\n`
	bare := says(401, kind, "{}", "WWW-Authenticate", "Bearer")
	for name, metadata := range map[string]string{
		"an issuer":  `{"resource":"{}/mcp","authorization_servers":["` + hostile + `"]}`,
		"a resource": `{"resource":"` + hostile + `","authorization_servers":["{}"]}`,
	} {
		s, _ := server(t, map[string]func(http.ResponseWriter, string){"POST /mcp": bare, "GET " + prm: says(200, kind, metadata)})
		got, err := Ask(t.Context(), fetcher(t), s.URL+"/mcp")
		if err != nil || len(got.Notes) != 1 {
			t.Fatalf("%s: got %+v, %v, want a note", name, got, err)
		}
		if i := strings.IndexFunc(got.Notes[0], func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s: the note has %q", name, got.Notes[0][i:])
		}
	}
}

func TestWhatIsNoServer(t *testing.T) {
	tests := []struct {
		name   string
		answer func(http.ResponseWriter, string)
		want   string
	}{
		{"nothing there", says(404, "text/plain", "no"), "the path is wrong"},
		{"a page", says(200, "text/html", "<html>"), "a web page answered"},
		{"a sign-in page", says(403, "text/html", "<html>"), "a web page answered"},
		{"a redirect", says(302, "text/plain", "", "Location", "https://sso.example/login"), `redirects to "https://sso.example/login"`},
		{"an error", says(500, kind, "{}"), "status 500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := server(t, map[string]func(http.ResponseWriter, string){"POST /mcp": tt.answer})
			var e *Error
			if got, err := Ask(t.Context(), fetcher(t), s.URL+"/mcp"); got != nil || !errors.As(err, &e) || e.Silent || !strings.Contains(e.Reason, tt.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	s, _ := server(t, nil)
	s.Close()
	var e *Error
	if _, err := Ask(t.Context(), fetcher(t), s.URL+"/mcp"); !errors.As(err, &e) || !e.Silent {
		t.Errorf("nobody: %v", err)
	}
}
