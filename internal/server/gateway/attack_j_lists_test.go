package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// shelf is a server of a hundred tools, ten to a page; two of them begin with
// get_. It answers in the way its mode says.
func shelf(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var asked struct {
		Params struct{ Cursor string }
	}
	_ = json.Unmarshal(body, &asked)
	page := 0
	_, _ = fmt.Sscanf(asked.Params.Cursor, "page-%d", &page)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, listed(page))
}

// listed is one page of the shelf.
func listed(page int) string {
	tools := make([]string, 10)
	for i := range tools {
		n := page*10 + i
		name := fmt.Sprintf("hidden_%d", n)
		if n == 7 || n == 55 {
			name = fmt.Sprintf("get_%d", n)
		}
		tools[i] = `{"name":"` + name + `","description":"what ` + name + ` does","inputSchema":{"type":"object"}}`
	}
	next := ""
	if page < 9 {
		next = fmt.Sprintf(`,"nextCursor":"page-%d"`, page+1)
	}
	return `{"jsonrpc":"2.0","id":1,"result":{"tools":[` + strings.Join(tools, ",") + `]` + next + `,"ttlMs":1000,"cacheScope":"public"}}`
}

// TestA151AllPages walks all pages of a list.
func TestA151AllPages(t *testing.T) {
	s := besiege(t, http.HandlerFunc(shelf))
	_, key := s.mint(restricted)
	var names []string
	for cursor, pages := "", 0; pages < 10; pages++ {
		got := s.post(key, newer("tools/list", `,"cursor":"`+cursor+`"`), mirrored("tools/list", "")...)
		var page struct {
			Result struct {
				Tools      []struct{ Name string }
				NextCursor string
				CacheScope string
			}
		}
		if err := json.Unmarshal([]byte(got.body), &page); err != nil {
			t.Fatal(err)
		}
		if page.Result.CacheScope != "private" || strings.Contains(got.body, "hidden") {
			t.Errorf("page %d: got %s, want it private and nothing hidden", pages, got.body)
		}
		for _, tool := range page.Result.Tools {
			names = append(names, tool.Name)
		}
		cursor = page.Result.NextCursor
	}
	if want := []string{"get_7", "get_55"}; !slices.Equal(names, want) {
		t.Errorf("got tools %q, want %q", names, want)
	}
	_, none, err := s.keyless()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.post(none, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`); !strings.Contains(got.body, `"tools":[]`) {
		t.Errorf("got %s for a key without rights, want no tools", got.body)
	}
}

// TestA151WaysAListMayCome has the server answer in every form that a client
// might take for a list. A client sees what it may, or a 502.
func TestA151WaysAListMayCome(t *testing.T) {
	const list, batch = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `[{"jsonrpc":"2.0","id":2,"method":"ping"},{"jsonrpc":"2.0","id":1,"method":"tools/list"}]`
	const pong = `{"jsonrpc":"2.0","id":2,"result":{}}`
	page := listed(0)
	tests := []struct {
		name, asked string
		server      http.HandlerFunc
		want        int
		shown       bool // the one tool that may be seen is
	}{
		{"JSON", list, answering(200, "application/json", page), 200, true},
		{"JSON in another charset's name", list, answering(200, "Application/JSON; charset=utf-8", page), 200, true},
		{"JSON as an error", list, answering(400, "application/json", page), 400, true},
		{"JSON under 202", list, answering(202, "application/json", page), 202, true},
		{"a batch of JSON", batch, answering(200, "application/json", "["+pong+","+page+"]"), 200, true},
		{"a batch answered with one answer", batch, answering(200, "application/json", page), 200, true},
		{"an event", list, answering(200, "text/event-stream", event(page)), 200, true},
		{"an event under 202", list, answering(202, "text/event-stream", event(page)), 202, true},
		{"an event in many lines", list, answering(200, "text/event-stream", event(strings.ReplaceAll(page, `,{`, ",\n{"))), 200, true},
		{"events of a batch", batch, answering(200, "text/event-stream", event(pong)+event(page)), 200, true},
		{"one event of a batch", batch, answering(200, "text/event-stream", event("["+pong+","+page+"]")), 200, true},
		{"an event of another name", list, answering(200, "text/event-stream", strings.Replace(event(page), "message", "tools", 1)), 200, false},
		{"an event of somebody else's id", list, answering(200, "text/event-stream", event(strings.Replace(page, `"id":1`, `"id":7`, 1))), 200, false},
		{"an event that is no JSON", list, answering(200, "text/event-stream", event(page+page)), 200, false},
		{"an event with Tools", list, answering(200, "text/event-stream", event(strings.Replace(page, `"tools"`, `"Tools"`, 1))), 200, false},
		{"two values", list, answering(200, "application/json", page+page), 502, false},
		{"a byte order mark", list, answering(200, "application/json", "\ufeff"+page), 502, false},
		{"Tools", list, answering(200, "application/json", strings.Replace(page, `"tools"`, `"Tools"`, 1)), 502, false},
		{"tools twice", list, answering(200, "application/json", strings.Replace(page, `"ttlMs"`, `"tools":[],"ttlMs"`, 1)), 502, false},
		{"tools as an object", list, answering(200, "application/json", `{"jsonrpc":"2.0","id":1,"result":{"tools":{"hidden_1":{}}}}`), 502, false},
		{"text", list, answering(200, "text/plain", page), 502, false},
		{"text under 202", list, answering(202, "text/html", page), 202, false},
		{"a page", list, answering(200, "text/html", page), 502, false},
		{"unmarked", list, answering(200, "", page), 502, false},
		{"something else", list, answering(200, "application/vnd.mcp+json", page), 502, false},
	}
	var server turncoat
	s := besiege(t, &server)
	_, key := s.mint(restricted)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server.becomes(tt.server)
			got := s.post(key, tt.asked)
			if got.status != tt.want || strings.Contains(got.body, "hidden") || strings.Contains(got.body, "get_7") != tt.shown {
				t.Errorf("got %d %s, want %d, the tool shown: %v, and nothing hidden", got.status, got.body, tt.want, tt.shown)
			}
		})
	}
}

// TestA151OneIDForTwoCalls is about servers that find an answer's stream by its
// id, as the TypeScript and Python SDKs do within a session: what answers a call
// is then the list that was asked for under the same id.
func TestA151OneIDForTwoCalls(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_7"}}`
	const batch = `[{"jsonrpc":"2.0","id":2,"method":"ping"},` + call + `]`
	const pong = `{"jsonrpc":"2.0","id":2,"result":{}}`
	var server turncoat
	s := besiege(t, &server)
	_, key := s.mint(restricted)
	page := listed(0)
	for _, tt := range []struct{ name, asked, kind, answer string }{
		{"JSON", call, "application/json", page},
		{"a batch of JSON", batch, "application/json", "[" + pong + "," + page + "]"},
		{"an event", call, "text/event-stream", event(page)},
		{"events of a batch", batch, "text/event-stream", event(pong) + event(page)},
		{"one event of a batch", batch, "text/event-stream", event("[" + pong + "," + page + "]")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server.becomes(answering(200, tt.kind, tt.answer))
			got := s.post(key, tt.asked)
			if got.status != 200 || !strings.Contains(got.body, "get_7") || strings.Contains(got.body, "hidden") {
				t.Errorf("got %d %s, want the list without what is hidden", got.status, got.body)
			}
		})
	}
}

// TestA151Redelivery resumes a stream on which a list was lost. To which call
// it answers nobody remembers, so all that may be a list is looked at.
func TestA151Redelivery(t *testing.T) {
	note := `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"end"}}`
	page := listed(0)
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answering(200, "text/event-stream", "id: 1\n"+event(page)+event("["+page+`,{"jsonrpc":"2.0","id":2,"result":{}}]`)+event(note))(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	_, key := s.mint(restricted)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res := s.open(ctx, http.MethodGet, key, "", "Last-Event-ID", "1")
	defer res.Body.Close()
	var lines []string
	for in := bufio.NewScanner(res.Body); in.Scan() && !strings.Contains(in.Text(), `"end"`); {
		lines = append(lines, in.Text())
	}
	if all := strings.Join(lines, "\n"); strings.Contains(all, "hidden") || strings.Count(all, `"get_7"`) != 2 {
		t.Errorf("got %s, want the one tool in both lists and nothing hidden", all)
	}
	if seen := s.up.requests(); seen[len(seen)-1].request.Header.Get("Last-Event-Id") != "1" {
		t.Error("the server has not got Last-Event-ID")
	}
}

// TestA151AnswersToGet has a server that answers GET with something else than events.
func TestA151AnswersToGet(t *testing.T) {
	var server turncoat
	s := besiege(t, &server)
	_, key := s.mint(restricted)
	for _, kind := range []string{"application/json", "text/plain", "text/html"} {
		for _, status := range []int{200, 202} {
			server.becomes(answering(status, kind, listed(0)))
			if got := s.do(http.MethodGet, key, ""); strings.Contains(got.body, "hidden") {
				t.Errorf("%s under %d: got %d %s, want nothing hidden", kind, status, got.status, got.body)
			}
		}
	}
}

// TestA151HiddenIsNonexistent compares whole answers: what a key may not call
// and what does not exist are the same to its holder, and neither costs the
// server a request.
func TestA151HiddenIsNonexistent(t *testing.T) {
	s := besiege(t, http.HandlerFunc(shelf))
	_, key := s.mint(restricted)
	for _, newerEra := range []bool{false, true} {
		var answers []string
		for _, tool := range []string{"hidden_1", "no_such_1"} {
			body, headers := call(tool), legacy("2025-11-25")
			if newerEra {
				body, headers = newer("tools/call", `,"name":"`+tool+`"`), mirrored("tools/call", tool)
			}
			got := s.refuses(t, 403, "GH-1202", func() reply { return s.post(key, body, headers...) })
			answers = append(answers, withoutRequestID(got))
		}
		if answers[0] != answers[1] {
			t.Errorf("got %s for a hidden tool and %s for none, want the same", answers[0], answers[1])
		}
	}
}

// withoutRequestID writes an answer down without what is different each time.
func withoutRequestID(r reply) string {
	id := r.header.Get("X-Request-Id")
	h := r.header.Clone()
	h.Del("X-Request-Id")
	h.Del("Date")
	return fmt.Sprintf("%d %v %s", r.status, h, strings.ReplaceAll(r.body, id, "ID"))
}
