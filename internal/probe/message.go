package probe

import (
	"encoding/json"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// metaVersion is the member of _meta that makes a message one of 2026-07-28.
const metaVersion = "io.modelcontextprotocol/protocolVersion"

// messageID is the id of our requests: no answer that was there before has it.
const messageID = "gatehouse-check-1"

// modern is a request of 2026-07-28, which stands for itself.
func modern(method string, params map[string]any, more ...[2]string) ask {
	if params == nil {
		params = map[string]any{}
	}
	params["_meta"] = map[string]any{
		metaVersion:                                  mcp.Version20260728,
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "gatehouse-check", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}
	header := [][2]string{{"MCP-Protocol-Version", mcp.Version20260728}, {"Mcp-Method", method}}
	for _, of := range [...]string{"name", "uri"} {
		if v, ok := params[of].(string); ok {
			header = append(header, [2]string{"Mcp-Name", v})
		}
	}
	return message(method, params, append(header, more...)...)
}

// legacy is a request of the older revisions.
func legacy(method string, params map[string]any, more ...[2]string) ask {
	return message(method, params, more...)
}

// initialize opens a session as clients of 2025-11-25 do.
func initialize(more ...[2]string) ask {
	return legacy("initialize", map[string]any{
		"protocolVersion": mcp.Version20251125, "capabilities": map[string]any{},
		"clientInfo": map[string]any{"name": "gatehouse-check", "version": "1"},
	}, more...)
}

func message(method string, params map[string]any, more ...[2]string) ask {
	m := map[string]any{"jsonrpc": "2.0", "id": messageID, "method": method}
	if params != nil {
		m["params"] = params
	}
	text, err := json.Marshal(m)
	if err != nil {
		text = nil // none of ours is like that
	}
	header := [][2]string{{"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"}}
	return ask{method: http.MethodPost, body: string(text), header: append(header, more...)}
}

// bearer is a credential where clients send it.
func bearer(credential string) [2]string { return [2]string{"Authorization", "Bearer " + credential} }

// at puts a question to a URL.
func (a ask) at(url string) ask {
	a.url = url
	return a
}

// with adds headers.
func (a ask) with(more ...[2]string) ask {
	a.header = append(a.header[:len(a.header):len(a.header)], more...)
	return a
}
