package mcp

import (
	"net/http"
	"testing"
)

func TestReadsAToolsCall(t *testing.T) {
	body := []byte(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"greet","arguments":{"a":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"},"progressToken":"p"}}}`)
	h := http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"=?base64?Z3JlZXQ=?="}}
	c, err := Limits{}.Read(body, h)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Messages[0]
	if c.Era != Modern || m.Name != "greet" || m.Client != "c" || string(m.ProgressToken) != `"p"` || string(m.ID) != "7" {
		t.Errorf("got %+v", c)
	}
}
