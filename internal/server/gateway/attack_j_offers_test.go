package gateway_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// offers is a server that names something in all the ways there are.
func offers(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	answers := map[string]string{
		"prompts/list":             `{"prompts":[{"name":"secret_prompt"}],"ttlMs":1}`,
		"resources/list":           `{"resources":[{"name":"x","uri":"file:///secret"}],"ttlMs":1,"cacheScope":"public"}`,
		"resources/templates/list": `{"resourceTemplates":[{"name":"x","uriTemplate":"file:///secret/{x}"}]}`,
		"resources/read":           `{"contents":[{"uri":"file:///secret","text":"x"}],"ttlMs":1,"cacheScope":"public"}`,
		"completion/complete":      `{"completion":{"values":["secret"],"total":1}}`,
	}
	result := `{"tools":[]}`
	for method, answer := range answers {
		if strings.Contains(string(body), `"method":"`+method+`"`) {
			result = answer
		}
	}
	answering(200, "application/json", `{"jsonrpc":"2.0","id":1,"result":`+result+`}`)(w, r)
}

// closed lets nobody have anything but tools.
func closed(g *gateway.Gateway) { g.Guard.Rules = &policy.Rules{} }

// TestA150WhatHasNoRule asks for everything else than tools, where no rule allows it.
func TestA150WhatHasNoRule(t *testing.T) {
	s := besiege(t, http.HandlerFunc(offers), closed)
	_, key := s.mint()
	for _, tt := range []struct{ method, name, members string }{
		{"prompts/get", "p", `,"name":"p"`},
		{"resources/read", "file:///x", `,"uri":"file:///x"`},
		{"resources/subscribe", "", `,"uri":"file:///x"`},
		{"resources/unsubscribe", "", `,"uri":"file:///x"`},
		{"resources/subscribe", "", ``},
		{"completion/complete", "", `,"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""}`},
		{"completion/complete", "", `,"ref":{"type":"ref/resource","uri":"file:///{x}"},"argument":{"name":"x","value":""}`},
		{"subscriptions/listen", "", `,"notifications":{"resourceSubscriptions":["file:///x"]}`},
	} {
		for _, newEra := range []bool{false, true} {
			s.refuses(t, 403, "GH-1202", func() reply { return s.asked(key, newEra, tt.method, tt.name, tt.members) })
		}
	}
}

// TestA151NothingIsNamed asks for every list where nothing may be seen.
func TestA151NothingIsNamed(t *testing.T) {
	s := besiege(t, http.HandlerFunc(offers), closed)
	_, key := s.mint()
	for _, newEra := range []bool{false, true} {
		for _, method := range []string{"prompts/list", "resources/list", "resources/templates/list", "tools/list"} {
			got := s.asked(key, newEra, method, "", "")
			if got.status != 200 || strings.Contains(got.body, "secret") || !strings.Contains(got.body, `[]`) || newEra != strings.Contains(got.body, `"cacheScope":"private"`) && method != "resources/list" {
				t.Errorf("%s: got %d %s, want an empty list, private in the newer era", method, got.status, got.body)
			}
		}
	}
}

// TestA151WhatMayBeCached reads what is the caller's own: a cache that others
// use must not take it for everybody's.
func TestA151WhatMayBeCached(t *testing.T) {
	s := besiege(t, http.HandlerFunc(offers))
	_, key := s.mint()
	for _, method := range []string{"resources/read", "resources/list", "prompts/list"} {
		got := s.asked(key, true, method, "file:///secret", `,"uri":"file:///secret"`)
		if method != "resources/read" {
			got = s.asked(key, true, method, "", "")
		}
		if !strings.Contains(got.body, "secret") || strings.Count(got.body, `"cacheScope":"private"`) != 1 || strings.Contains(got.body, "public") {
			t.Errorf("%s: got %s, want it private", method, got.body)
		}
	}
}

// TestA151NewsOfResources has the server tell of resources on every kind of
// stream; after a change of the rules nobody hears of them any more.
func TestA151NewsOfResources(t *testing.T) {
	news := event(`{"jsonrpc":"2.0","method":"notifications\/resources\/updated","params":{"uri":"file:///secret"}}`)
	end := event(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"end"}}`)
	told := make(chan struct{})
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, news+end)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-told:
		case <-r.Context().Done():
			return
		}
		_, _ = io.WriteString(w, news+event(`[`+strings.TrimSuffix(strings.TrimPrefix(news, "event: message\ndata: "), "\n\n")+`,{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}]`)+end)
	}))
	_, key := s.mint()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, open := range []func() *http.Response{
		func() *http.Response { return s.open(ctx, http.MethodGet, key, "") },
		func() *http.Response {
			return s.open(ctx, http.MethodPost, key, newer("subscriptions/listen", `,"notifications":{"resourceSubscriptions":["file:///secret"]}`), mirrored("subscriptions/listen", "")...)
		},
	} {
		res := open()
		in := bufio.NewScanner(res.Body)
		if got := until(in, `"end"`); strings.Count(got, "secret") != 1 {
			t.Errorf("got %s, want the news", got)
		}
		next := &gateway.Gateway{
			Name: "files", Path: "/mcp", PublicURL: s.url, SessionKey: s.gate.SessionKey, Earlier: s.gate, Log: s.gate.Log,
			Guard: &access.Guard{Keys: s.gate.Guard.Keys, Audit: s.gate.Guard.Audit, Rules: &policy.Rules{}},
		}
		if err := next.Open(); err != nil {
			t.Fatal(err)
		}
		next.Activate()
		told <- struct{}{}
		if got := until(in, `"end"`); strings.Contains(got, "secret") {
			t.Errorf("got %s, want no news of what the rules no longer show", got)
		}
		_ = res.Body.Close()
		s.gate.Activate()
	}
}

// until reads lines up to one with a text.
func until(in *bufio.Scanner, text string) string {
	var lines []string
	for in.Scan() {
		lines = append(lines, in.Text())
		if strings.Contains(in.Text(), text) {
			break
		}
	}
	return strings.Join(lines, "\n")
}
