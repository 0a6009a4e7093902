package gateway

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
)

//go:embed page.html
var pageHTML string

// helperPage is what a person sees who opens the server's URL in a browser.
func helperPage(url string) []byte {
	var b bytes.Buffer
	if err := template.Must(template.New("page").Parse(pageHTML)).Execute(&b, struct{ URL string }{url}); err != nil {
		return []byte("This is an MCP server. Add its URL to an MCP client.\n")
	}
	return b.Bytes()
}

// wantsPage says whether a refusal is better told to a person: a browser came
// along without any credential.
func wantsPage(r *http.Request, err error) bool {
	var e *gatehouse.Error
	return r.Method == http.MethodGet && errors.As(err, &e) && e.Code == "GH-1001" &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}
