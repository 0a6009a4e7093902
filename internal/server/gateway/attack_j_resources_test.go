package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// publicOnly lets keys have what is public, and nothing below it that is not.
func publicOnly(t *testing.T) func(*gateway.Gateway) {
	t.Helper()
	rules, err := policy.Build(policy.Spec{Server: "files", Rules: []policy.Rule{
		{Name: "public", Resources: []string{"file:///pub/*"}, Prompts: []string{"pub_*"}},
		{Name: "not all of it", Resources: []string{"file:///pub/private/*"}, Prompts: []string{"pub_private"}, Deny: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return func(g *gateway.Gateway) { g.Guard.Rules = rules }
}

// TestA152ResourcesByURI asks for what is written like something public.
func TestA152ResourcesByURI(t *testing.T) {
	s := besiege(t, http.HandlerFunc(offers), publicOnly(t))
	_, key := s.mint()
	for _, newEra := range []bool{false, true} {
		for _, uri := range []string{
			"file:///pub/../etc/passwd", "file:///pub/%2e%2e/etc/passwd", "file:///pub/./a", "FILE:///pub/a", "file://host/pub/a", "file:/pub/a", "file:////pub/a",
			"file:///pub//a", "file:///pub\\\\..\\\\etc", "file:///public/a", "file:///pub", "file:///pub/private/a", "file:///pub/%70rivate/a", "file:///pub/{x}", "file:///etc", "%66ile:///pub/a",
			"file:///pub/a#b/../../c", "file:///pub/\u202ea", "file:///p\u00fcb/a",
		} {
			var answers []string
			for _, tt := range []struct{ method, name, members string }{
				{"resources/read", wrapped(strings.ReplaceAll(uri, `\\`, `\`)), `,"uri":"` + uri + `"`},
				{"resources/subscribe", "", `,"uri":"` + uri + `"`},
				{"subscriptions/listen", "", `,"notifications":{"resourceSubscriptions":["file:///pub/a","` + uri + `"]}`},
			} {
				got := s.refuses(t, 403, "GH-1202", func() reply { return s.asked(key, newEra, tt.method, tt.name, tt.members) })
				answers = append(answers, withoutRequestID(got))
			}
			if answers[0] != answers[1] || answers[1] != answers[2] {
				t.Errorf("%s: got %q, want one answer to all", uri, answers)
			}
		}
		for _, control := range []string{`file:///pub/\u0000`, `file:///pub/a\n`} {
			s.refuses(t, 400, "-32602", func() reply { return s.asked(key, newEra, "resources/read", "file:///pub/", `,"uri":"`+control+`"`) })
		}
		if got := s.asked(key, newEra, "resources/read", "file:///pub/a", `,"uri":"file:///pub/a"`); got.status != 200 {
			t.Errorf("got %d %s for what is public", got.status, got.body)
		}
	}
}

// TestA151OnlyWhatIsTheirs lists what a server offers to somebody who may have a
// part of it.
func TestA151OnlyWhatIsTheirs(t *testing.T) {
	lists := map[string]string{
		"prompts/list":             `{"prompts":[{"name":"pub_a"},{"name":"secret"},{"name":"pub_private"}]}`,
		"resources/list":           `{"resources":[{"uri":"file:///pub/a","name":"pub_a"},{"uri":"file:///secret","name":"pub"},{"uri":"file:///pub/private/x","name":"pub"},{"uri":"file:///pub/../secret","name":"pub"}]}`,
		"resources/templates/list": `{"resourceTemplates":[{"uriTemplate":"file:///pub/a/{name}","name":"pub_a"},{"uriTemplate":"file:///secret/{x}","name":"x"},{"uriTemplate":"file:///pub/private/{x}","name":"x"}]}`,
		"completion/complete":      `{"completion":{"values":["a","../secret","private/x","a/b"],"total":4}}`,
	}
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for method, answer := range lists {
			if strings.Contains(string(body), `"method":"`+method+`"`) {
				answering(200, "application/json", `{"jsonrpc":"2.0","id":1,"result":`+answer+`}`)(w, r)
			}
		}
	}), publicOnly(t))
	_, key := s.mint()
	for _, newEra := range []bool{false, true} {
		for _, method := range []string{"prompts/list", "resources/list", "resources/templates/list"} {
			got := s.asked(key, newEra, method, "", "")
			if !strings.Contains(got.body, "pub_a") && !strings.Contains(got.body, "pub/a") || strings.Contains(got.body, "secret") || strings.Contains(got.body, "private/") || strings.Contains(got.body, "pub_private") || strings.Count(got.body, `"name"`) != 1 {
				t.Errorf("%s: got %s, want what is public alone", method, got.body)
			}
		}
		got := s.asked(key, newEra, "completion/complete", "", `,"ref":{"type":"ref/resource","uri":"file:///pub/{+path}"},"argument":{"name":"path","value":""}`)
		if !strings.Contains(got.body, `{"values":["a","a/b"],"total":2}`) {
			t.Errorf("got %s, want the values that lead to something public", got.body)
		}
		for _, ref := range []string{`"type":"ref/prompt","name":"secret"`, `"type":"ref/prompt","name":"no such"`, `"type":"ref/resource","uri":"file:///secret/{x}"`} {
			s.refuses(t, 403, "GH-1202", func() reply {
				return s.asked(key, newEra, "completion/complete", "", `,"ref":{`+ref+`},"argument":{"name":"x","value":""}`)
			})
		}
	}
}
