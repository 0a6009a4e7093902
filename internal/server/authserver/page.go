package authserver

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

// assets are the files that pages refer to, by their name.
//
//go:embed assets
var assetFiles embed.FS

// view is what a template sees: its own data as .Page.
type view struct {
	Site    string // the installation, for people
	Request string // id, for those who ask for help
	Support string
	Script  string // name of an asset; empty: the page has no script
	Page    any
}

// A page's template is a file of templates/ that defines "title" and "main", and
// may define "script", which writes the name of a file of assets that is run, or
// nothing. Files whose name begins with "_" define what several pages share.
//
// They are read when the first page is asked for: most commands, a bridge among
// them, never show one.
var (
	assets = sync.OnceValue(readAssets)
	pages  = sync.OnceValue(readPages)
)

type asset struct {
	name, kind string
	body       []byte
}

func readAssets() map[string]*asset {
	all := map[string]*asset{}
	list, _ := fs.ReadDir(assetFiles, "assets") // it is in the program
	for _, f := range list {
		body, _ := assetFiles.ReadFile("assets/" + f.Name())
		sum := sha256.Sum256(body)
		ext := path.Ext(f.Name())
		a := &asset{kind: map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}[ext], body: body}
		a.name = strings.TrimSuffix(f.Name(), ext) + "-" + base64.RawURLEncoding.EncodeToString(sum[:6]) + ext
		all[f.Name()] = a
	}
	return all
}

func readPages() map[string]*template.Template {
	funcs := template.FuncMap{
		"asset": func(name string) (string, error) {
			a := assets()[name]
			if a == nil {
				return "", fmt.Errorf("there is no %s", name)
			}
			return "/auth/" + a.name, nil
		},
		"shown": shown,
		"day":   func(t time.Time) string { return t.UTC().Format("2 January 2006") },
	}
	layout := template.Must(template.New("layout.html").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/_*.html"))
	all := map[string]*template.Template{}
	list, _ := fs.ReadDir(templateFiles, "templates")
	for _, f := range list {
		if f.Name() == "layout.html" || f.Name()[0] == '_' {
			continue
		}
		t := template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, "templates/"+f.Name()))
		all[strings.TrimSuffix(f.Name(), ".html")] = t
	}
	return all
}

// asset serves a file under the name that has its hash in it: it never changes.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	for _, a := range assets() {
		if a.name != r.PathValue("asset") {
			continue
		}
		h := w.Header()
		h.Set("Content-Type", a.kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
		return
	}
	s.notFound(w, r, http.StatusNotFound)
}

// page answers with the template of this name, for people. What it is made of
// may be from strangers; the template shows names through "shown".
func (s *Server) page(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	s.render(w, r, status, name, view{Page: data})
}

func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Site, v.Request, v.Support = s.site(), requestID(r), s.Settings.Support
	body, err := write(name, &v)
	if err != nil {
		s.Log.Error("a page cannot be written", "page", name, "error", err.Error())
		status, v.Script = http.StatusInternalServerError, ""
		body, _ = write("broken", &v) // it refers to nothing that could be missing
	}
	h := w.Header()
	guardPage(h, v.Script != "")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Request-Id", v.Request)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader has left
	}
}

// write returns the page, and says in v whether it has a script.
func write(name string, v *view) ([]byte, error) {
	t := pages()[name]
	if t == nil {
		return nil, fmt.Errorf("there is no template %s", name)
	}
	var script, body bytes.Buffer
	if err := t.ExecuteTemplate(&script, "script", v); err != nil {
		return nil, err
	}
	v.Script = strings.TrimSpace(script.String())
	if err := t.Execute(&body, v); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// guardPage sets what every answer to a person has. OAuth 2.1 §7.10
func guardPage(h http.Header, script bool) {
	policy := "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	if script {
		policy += "; script-src 'self'"
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// site is what people call this installation.
func (s *Server) site() string {
	if s.Name != "" {
		return s.Name
	}
	if u, err := url.Parse(s.Issuer); err == nil {
		return u.Host
	}
	return s.Issuer
}

// seeOther sends the browser on. RFC 9700 §4.12: never a 307
func (s *Server) seeOther(w http.ResponseWriter, r *http.Request, to string) {
	guardPage(w.Header(), false)
	w.Header().Set("X-Request-Id", requestID(r))
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // to is of ours or sealed, a provider's, or a redirect URI that was held to the client's
}

// A request's id is that of its flow, once it has one: a login is one story.
type requestKey struct{}

func requestID(r *http.Request) string {
	if id, ok := r.Context().Value(requestKey{}).(*string); ok {
		return *id
	}
	return ""
}

func mark(r *http.Request, flow string) {
	if id, ok := r.Context().Value(requestKey{}).(*string); ok {
		*id = flow
	}
}

// outside gives people a page where nothing else answers.
func (s *Server) outside(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		miss := &missed{header: http.Header{}}
		h.ServeHTTP(miss, r)
		if allow := miss.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
		}
		s.notFound(w, r, miss.status)
	})
}

// missed hears why the mux has nobody to answer.
type missed struct {
	header http.Header
	status int
}

func (m *missed) Header() http.Header         { return m.header }
func (m *missed) Write(b []byte) (int, error) { return len(b), nil }
func (m *missed) WriteHeader(status int)      { m.status = status }
