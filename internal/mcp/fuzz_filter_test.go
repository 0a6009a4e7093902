package mcp_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

func FuzzFilter(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, message []byte, private bool) {
		before := bytes.Clone(message)
		filter := &mcp.Filter{
			Shown:     func(_ mcp.Primitive, name string) bool { return name == "a" },
			Completes: func(value string) bool { return value == "a" },
			Task:      func(id string, answer bool) (string, bool) { return "a", answer || id == "a" },
			Cursor:    func(string) string { return "a" }, Private: private,
		}
		got, ok, err := filter.Message(message)
		if !bytes.Equal(message, before) {
			t.Fatal("the message was changed")
		}
		if err != nil || !ok {
			return
		}
		var in, out struct {
			Result json.RawMessage
			Method any
		}
		if json.Unmarshal(message, &in) != nil || json.Unmarshal(got, &out) != nil {
			t.Fatalf("encoding/json refuses %q or %q", message, got)
		}
		if in.Method == nil && listing(in.Result, nil, private) && !listing(out.Result, t, private) {
			t.Errorf("the list is gone from %q", got)
		}
		twice, ok, err := filter.Message(got)
		if err != nil || !ok || !bytes.Equal(twice, got) {
			t.Errorf("filtered again: got %q, %v, %v, want %q", twice, ok, err, got)
		}
	})
}

// listing reports whether encoding/json sees a list in a result. With a t, all in
// it must be called "a" and not be for shared caches.
func listing(result json.RawMessage, t *testing.T, private bool) bool {
	var list struct {
		Tools, Prompts, Resources, ResourceTemplates, Tasks []json.RawMessage
		NextCursor, CacheScope                              any
	}
	if json.Unmarshal(result, &list) != nil {
		return false
	}
	some, cached := false, false
	for member, of := range map[string][]json.RawMessage{"name": append(list.Tools, list.Prompts...), "uri": list.Resources, "uritemplate": list.ResourceTemplates, "taskid": list.Tasks} {
		some = some || of != nil
		cached = cached || of != nil && member != "taskid"
		for _, one := range of {
			var named struct{ Name, URI, URITemplate, TaskID any }
			bad := json.Unmarshal(one, &named) != nil
			got := map[string]any{"name": named.Name, "uri": named.URI, "uritemplate": named.URITemplate, "taskid": named.TaskID}[member]
			if t != nil && (bad || got != "a") {
				t.Errorf("%s got through", one)
			}
		}
	}
	if t != nil && cached && list.CacheScope != "private" && (private || list.CacheScope != nil) {
		t.Errorf("got scope %v", list.CacheScope)
	}
	if next, ok := list.NextCursor.(string); t != nil && ok && next != "" && next != "a" {
		t.Errorf("got cursor %q", next)
	}
	return some
}

// FuzzHandles opens handles: what is none never gets through.
func FuzzHandles(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := mcp.Limits{}.Read(body, nil)
		if err != nil || c.Batch {
			return
		}
		m := &c.Messages[0]
		asked := 0
		open := func(string) (string, bool) { asked++; return "opened", true }
		if err := (mcp.Handles{Cursor: open, Task: open}).Open(m); err != nil {
			t.Fatal(err)
		}
		if asked > 0 && !m.Handles {
			t.Errorf("%q has a handle that the reader does not tell of", body)
		}
		var was, is struct {
			Params struct {
				Cursor, TaskID any
				Notifications  struct{ TaskIDs []any }
			}
		}
		if json.Unmarshal(body, &was) != nil || json.Unmarshal(m.Raw, &is) != nil {
			return // params of another type
		}
		if strings.HasSuffix(m.Method, "/list") && was.Params.Cursor != nil && was.Params.Cursor != "" && is.Params.Cursor != "opened" {
			t.Errorf("%q: the cursor is not opened", m.Raw)
		}
		if strings.HasPrefix(m.Method, "tasks/") && m.Method != "tasks/list" && is.Params.TaskID != "opened" {
			t.Errorf("%q: the task is not opened", m.Raw)
		}
		if m.Method == "subscriptions/listen" {
			for _, id := range is.Params.Notifications.TaskIDs {
				if id != "opened" {
					t.Errorf("%q: a task is not opened", m.Raw)
				}
			}
		}
	})
}
