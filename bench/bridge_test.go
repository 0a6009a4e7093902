package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestTheServerBehindBridgesIsSpokenTo has the driver call what bridges lead to.
func TestTheServerBehindBridgesIsSpokenTo(t *testing.T) {
	s := httptest.NewServer(mcpServer())
	defer s.Close()
	d := newDirect(door{url: s.URL})
	defer d.close()
	if err := d.hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{toolEcho, toolBig} {
		calls := 0
		if err := d.pump(t.Context(), tool, 1, func(time.Duration) bool { calls++; return calls < 5 }); err != nil || calls != 5 {
			t.Errorf("%s: %d calls, %v", tool, calls, err)
		}
	}
	if err := d.pump(t.Context(), "none", 1, func(time.Duration) bool { return false }); err == nil {
		t.Error("a tool that is not there has answered")
	}
}

func TestAnswersOfBridgesAreChecked(t *testing.T) {
	good := `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"number 7"}]}}`
	tests := []struct {
		name, line, tool string
		id               int64
		answers, right   bool
	}{
		{"the answer", good, toolEcho, 7, true, true},
		{"its id last", `{"result":{"content":[{"type":"text","text":"number 7"}]},"id":7}`, toolEcho, 7, true, true},
		{"that of another call", strings.Replace(good, "number 7", "number 8", 1), toolEcho, 7, true, false},
		{"an error", `{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"\"number 7\""}}`, toolEcho, 7, true, false},
		{"too short", good, toolBig, 7, true, false},
		{"a notification", `{"jsonrpc":"2.0","method":"notifications/message","params":{"id":7}}`, toolEcho, 0, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, ok := answered([]byte(tt.line))
			if ok != tt.answers || ok && id != tt.id {
				t.Errorf("got %d, %v", id, ok)
			}
			if err := right([]byte(tt.line), 7, tt.tool); ok && (err == nil) != tt.right {
				t.Errorf("got %v, want right = %v", err, tt.right)
			}
		})
	}
}
