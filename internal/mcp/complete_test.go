package mcp_test

import (
	"fmt"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

func TestCompletionFillsTemplates(t *testing.T) {
	tests := []struct{ ref, argument, context, value, want string }{
		{`"type":"ref/prompt","name":"p"`, "a", `{}`, "v", "[{2 p}]"},
		{`"type":"ref/resource","uri":"file:///x"`, "a", `{}`, "v", "[{3 file:///x}]"},
		{`"type":"ref/resource","uri":"file:///{path}"`, "path", `{}`, "a.txt", "[{3 file:///a.txt}]"},
		{`"type":"ref/resource","uri":"file:///{path}"`, "path", `{}`, "../é", "[{3 file:///../é} {3 file:///..%2F%C3%A9}]"},
		{`"type":"ref/resource","uri":"file:///{+path}/end"`, "path", `{}`, "a/b", "[{3 file:///a/b/end}]"},
		{`"type":"ref/resource","uri":"db://{owner}/{repo}"`, "repo", `{"owner":"ada"}`, "r", "[{3 db://ada/r}]"},
		{`"type":"ref/resource","uri":"db://{owner}/{repo}"`, "repo", `{}`, "r", "[{4 db://{owner}/r}]"},
		{`"type":"ref/resource","uri":"x:/{/dir}{?q}{&r}{#f}"`, "dir", `{"q":"1","r":"2","f":"3"}`, "d", "[{3 x://d?q=1&r=2#3}]"},
		{`"type":"ref/resource","uri":"x:/{a,b}"`, "a", `{}`, "v", "[{4 x:/{a,b}}]"},
		{`"type":"ref/resource","uri":"x:/{a"`, "a", `{}`, "v", "[{4 x:/{a}]"},
	}
	for _, tt := range tests {
		body := `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{` + tt.ref + `},"argument":{"name":"` + tt.argument + `","value":""},"context":{"arguments":` + tt.context + `}}}`
		c, err := mcp.Limits{}.Read([]byte(body), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(c.Messages[0].Completion().With(tt.value)); got != tt.want {
			t.Errorf("%s with %q: got %s, want %s", tt.ref, tt.value, got, tt.want)
		}
	}
}
