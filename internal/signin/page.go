package signin

import (
	"crypto/sha256"
	_ "embed" // the page's style
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

// leaf is what a page of the callback says to a person.
type leaf struct {
	Title string
	Text  string
	Code  string // of an error; empty: it is none
}

// failed is the page of a sign-in that came to nothing.
func failed(err error) leaf {
	out := leaf{Title: "The sign-in failed", Text: strings.TrimSuffix(err.Error(), ".") + ". Begin again from your program, or with: gatehouse bridge login"}
	if e, ok := errors.AsType[*Error](err); ok {
		out.Code = e.Code
	}
	return out
}

//go:embed page.css
var pageStyle string

// pagePolicy lets the page have its own style, and nothing else.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

var pageText = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Title}}</title><style>{{.Style}}</style></head>
<body><p>Gatehouse</p><main><h1>{{.Title}}</h1><p>{{.Text}}</p>{{with .Code}}<p><code>{{.}}</code></p>{{end}}</main></body></html>
`))

// page says something to a person. What is in it may be a stranger's text, and the
// address has a code in it: neither leads anywhere from here.
func page(w http.ResponseWriter, status int, l leaf) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	l.Text = plainText(l.Text)
	if err := pageText.Execute(w, struct {
		leaf
		Style template.CSS
	}{l, template.CSS(pageStyle)}); err != nil { //nolint:gosec // it is ours
		_, _ = fmt.Fprintln(w) // nobody is there any more
	}
	_ = http.NewResponseController(w).Flush()
}
