package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// office is a server of tasks and pages, of either era. It knows no callers: to it
// the gateway is one, so whoever names a task gets it, and all see all tasks.
type office struct {
	mu    sync.Mutex
	tasks []string
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m struct {
		ID     json.RawMessage
		Method string
		Params struct {
			TaskID, Cursor, Name string
			Notifications        struct{ TaskIDs []string }
			Meta                 map[string]any `json:"_meta"`
		}
	}
	_ = json.Unmarshal(body, &m)
	o.mu.Lock()
	defer o.mu.Unlock()
	result := `{}`
	related := func(id string) string {
		return `"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"` + id + `"}}`
	}
	known := false
	for _, id := range o.tasks {
		known = known || id == m.Params.TaskID
	}
	switch m.Method {
	case "tools/call":
		id := fmt.Sprintf("task-%d", len(o.tasks)+1) // as easy to guess as can be
		o.tasks = append(o.tasks, id)
		result = `{"task":{"taskId":"` + id + `","status":"working"}}`
		if _, newer := m.Params.Meta["io.modelcontextprotocol/protocolVersion"]; newer {
			result = `{"resultType":"task","taskId":"` + id + `","status":"working"}`
		}
	case "tasks/get", "tasks/cancel", "tasks/update":
		result = `{"taskId":"` + m.Params.TaskID + `","status":"working","known":` + fmt.Sprint(known) + `}`
	case "tasks/result":
		result = `{"content":[],"of":"` + fmt.Sprint(known) + `",` + related(m.Params.TaskID) + `}`
	case "tasks/list":
		all := make([]string, len(o.tasks))
		for i, id := range o.tasks {
			all[i] = `{"taskId":"` + id + `","statusMessage":"what ` + id + ` does"}`
		}
		result = `{"tasks":[` + strings.Join(all, ",") + `]}`
	case "prompts/list", "resources/list", "resources/templates/list", "tools/list":
		result = `{"prompts":[],"nextCursor":"after-` + m.Params.Cursor + `"}`
	case "subscriptions/listen":
		w.Header().Set("Content-Type", "text/event-stream")
		ids, _ := json.Marshal(m.Params.Notifications.TaskIDs)
		_, _ = io.WriteString(w, event(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"taskIds":`+string(ids)+`}}}`))
		for _, id := range o.tasks {
			_, _ = io.WriteString(w, event(`{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"`+id+`","status":"completed"}}`))
		}
		_, _ = io.WriteString(w, event(`{"jsonrpc":"2.0","id":`+string(m.ID)+`,"result":{}}`))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"result":`+result+`}`)
}

// capable is what a client of tasks says of itself in the newer era.
const capable = `{"jsonrpc":"2.0","id":1,"method":"%s","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}%s}}`

// asked sends a request of one of the two eras, with members of params that
// follow a comma.
func (s *siege) asked(key string, newEra bool, method, name, members string) reply {
	s.t.Helper()
	if newEra {
		return s.post(key, fmt.Sprintf(capable, method, members), mirrored(method, name)...)
	}
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + strings.TrimPrefix(members, ",") + `}}`
	return s.post(key, body, legacy("2025-11-25")...)
}

// task begins one, and returns its handle.
func (s *siege) task(key string, newEra bool) string {
	s.t.Helper()
	got := s.asked(key, newEra, "tools/call", "get_a", `,"name":"get_a","task":{}`)
	var m struct {
		Result struct {
			TaskID string
			Task   struct{ TaskID string }
		}
	}
	if err := json.Unmarshal([]byte(got.body), &m); err != nil || got.status != 200 {
		s.t.Fatalf("got %d %s, %v", got.status, got.body, err)
	}
	return m.Result.TaskID + m.Result.Task.TaskID
}

// TestA150TasksBelongToWhoBeganThem tries every method with the handles of
// somebody else, and with what the server itself calls a task.
func TestA150TasksBelongToWhoBeganThem(t *testing.T) {
	for _, newEra := range []bool{false, true} {
		s := besiege(t, &office{})
		_, ada := s.mint()
		_, bob := s.mint()
		hers, his := s.task(ada, newEra), s.task(bob, newEra)
		if strings.HasPrefix(hers, "task-") || hers == "" || hers == his {
			t.Fatalf("got handles %q and %q", hers, his)
		}
		methods := []string{"tasks/get", "tasks/cancel", "tasks/update"}
		if newEra {
			s.refuses(t, 404, "GH-1203", func() reply { return s.asked(bob, true, "tasks/result", hers, `,"taskId":"`+hers+`"`) })
		} else {
			methods = append(methods, "tasks/result")
		}
		for _, method := range methods {
			got := s.asked(ada, newEra, method, hers, `,"taskId":"`+hers+`"`)
			if got.status != 200 || !strings.Contains(got.body, "true") && method == "tasks/result" || !strings.Contains(got.body, `"`+hers+`"`) || strings.Contains(got.body, "task-") {
				t.Errorf("%s: got %d %s for its owner, want it under her handle", method, got.status, got.body)
			}
			seen := s.up.requests()
			if last := seen[len(seen)-1]; !strings.Contains(last.body, `"taskId":"task-1"`) || newEra && last.request.Header.Get("Mcp-Name") != "task-1" {
				t.Errorf("%s: the server got %s, Mcp-Name %q", method, last.body, last.request.Header.Get("Mcp-Name"))
			}
			var answers []string
			for _, foreign := range []string{hers, "task-1", "task-9", hers[:len(hers)-1], strings.Replace(his, ".", "x.", 1)} {
				got := s.refuses(t, 400, "Task not found", func() reply { return s.asked(bob, newEra, method, foreign, `,"taskId":"`+foreign+`"`) })
				answers = append(answers, withoutRequestID(got))
			}
			for _, a := range answers[1:] {
				if a != answers[0] {
					t.Errorf("%s: got %s and %s, want the same for somebody else's and for none", method, answers[0], a)
				}
			}
		}
		if !newEra {
			s.refuses(t, 400, "Task not found", func() reply {
				return s.asked(bob, newEra, "tools/call", "", `,"name":"get_a","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"`+hers+`"}}`)
			})
		}
	}
}

// TestA151ListsOfTasks has the server list everybody's tasks, and tell of them.
func TestA151ListsOfTasks(t *testing.T) {
	for _, newEra := range []bool{false, true} {
		s := besiege(t, &office{})
		_, ada := s.mint()
		_, bob := s.mint()
		hers, his := s.task(ada, newEra), s.task(bob, newEra)
		got := s.asked(bob, newEra, "tasks/list", "", "")
		if !strings.Contains(got.body, `"`+his+`"`) || strings.Contains(got.body, hers) || strings.Contains(got.body, "task-1") || strings.Count(got.body, "taskId") != 1 {
			t.Errorf("got %s, want his task alone", got.body)
		}
		if !newEra {
			continue
		}
		got = s.asked(bob, true, "subscriptions/listen", "", `,"notifications":{"taskIds":["`+his+`"]}`)
		if strings.Count(got.body, his) != 2 || strings.Contains(got.body, "task-") || strings.Contains(got.body, hers) {
			t.Errorf("got %s, want the news of his task alone", got.body)
		}
		s.refuses(t, 400, "Task not found", func() reply {
			return s.asked(bob, true, "subscriptions/listen", "", `,"notifications":{"taskIds":["`+his+`","`+hers+`"]}`)
		})
	}
}

// TestA151CursorsBelongToOneCaller goes on from where somebody else was.
func TestA151CursorsBelongToOneCaller(t *testing.T) {
	for _, newEra := range []bool{false, true} {
		s := besiege(t, &office{})
		_, ada := s.mint()
		_, bob := s.mint()
		for _, method := range []string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"} {
			next := func(key, from string) string {
				got := s.asked(key, newEra, method, "", from)
				var m struct{ Result struct{ NextCursor string } }
				if err := json.Unmarshal([]byte(got.body), &m); err != nil || got.status != 200 {
					t.Fatalf("got %d %s, %v", got.status, got.body, err)
				}
				return m.Result.NextCursor
			}
			first := next(ada, "")
			if again := next(ada, ""); first == "" || strings.HasPrefix(first, "after") || again != first {
				t.Errorf("%s: got cursors %q and %q, want one handle", method, first, again)
			}
			if second := next(ada, `,"cursor":"`+first+`"`); second == first || second == "" {
				t.Errorf("%s: got %q after %q", method, second, first)
			}
			if seen := s.up.requests(); !strings.Contains(seen[len(seen)-1].body, `"cursor":"after-"`) {
				t.Errorf("%s: the server got %s", method, seen[len(seen)-1].body)
			}
			var answers []string
			for _, foreign := range []string{first, "after-", "no such page", first[1:]} {
				got := s.refuses(t, 400, "Unknown cursor", func() reply { return s.asked(bob, newEra, method, "", `,"cursor":"`+foreign+`"`) })
				answers = append(answers, withoutRequestID(got))
			}
			for _, a := range answers[1:] {
				if a != answers[0] {
					t.Errorf("%s: got %s and %s, want the same for somebody else's and for none", method, answers[0], a)
				}
			}
		}
	}
}
