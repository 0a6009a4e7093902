package bridge

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// harmless says whether a message may reach the server twice: it only asks, or has
// the same effect again. docs/decisions/0041
func (r *remote) harmless(m *message) bool {
	return m.harmless() || m.Method == "tools/call" && r.tool.repeatable(m.name())
}

// repeats says whether a tool's description allows that it is called again: it
// changes nothing, or nothing more. Who lies there could as well do it twice by
// themselves. MCP 2025-11-25, schema, §ToolAnnotations
func repeats(annotations jsontext.Value) bool {
	var hints struct {
		ReadOnly   bool `json:"readOnlyHint"`
		Idempotent bool `json:"idempotentHint"`
	}
	if annotations.Kind() != '{' || json.Unmarshal(annotations, &hints) != nil {
		return false
	}
	return hints.ReadOnly || hints.Idempotent
}

// hint notes which of the tools in a list may be called again.
func (t *tools) hint(result []byte) {
	var list struct {
		Tools []jsontext.Value `json:"tools"`
	}
	if json.Unmarshal(result, &list) != nil {
		return
	}
	for _, raw := range list.Tools {
		var one tool
		if json.Unmarshal(raw, &one) == nil {
			t.mark(one.Name, repeats(one.Hints))
		}
	}
}

func (t *tools) mark(name string, repeat bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.repeat == nil || len(t.repeat) >= manyTools {
		t.repeat = map[string]bool{}
	}
	delete(t.repeat, name)
	if repeat {
		t.repeat[name] = true
	}
}

func (t *tools) repeatable(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.repeat[name]
}

// doubt forgets what the server said of its tools: they may be others now.
func (t *tools) doubt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.repeat = nil
}

// turnedAway reads a refusal to its end, and says whether it is sure that nothing
// was done: the server says what access it wants, and nothing besides. RFC 9110
// §15.5.2 has a 401 mean that, and demands that it says so. A tool that passes on
// the status of somebody else does not.
func turnedAway(res *http.Response) bool {
	enough := time.AfterFunc(time.Second, func() { _ = res.Body.Close() })
	defer enough.Stop()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if strings.TrimSpace(res.Header.Get("WWW-Authenticate")) == "" || kind == "text/event-stream" {
		return false
	}
	e, err := mcp.Peek(body)
	return err != nil || e.Result == nil
}

// mayBeRefused is what the client is told of a call that was refused by somebody
// who does not say that it was for want of access.
func mayBeRefused(res *http.Response) error {
	return &problem{code: codeFate, text: fmt.Sprintf("The server answers %d and does not say what access it wants (WWW-Authenticate), as its guard would. Whether it has done the call is not known, so it is not asked again. "+
		"There is new access now.", res.StatusCode)}
}
