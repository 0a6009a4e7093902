package authserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// How long a request may take to arrive, and its answer to leave. In between we
// may ask others: a client's document, a provider.
const (
	readTime  = 10 * time.Second
	writeTime = 60 * time.Second
)

// entry is what every request passes before an endpoint has it: a time, an id,
// the bans, and one line in the log.
type entry struct {
	*Server
	next http.Handler
}

// ServeHTTP answers one request.
func (e entry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	id := rand.Text()
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(began.Add(readTime)) // a connection that has none is a test's
	_ = c.SetWriteDeadline(began.Add(writeTime))
	a := &answer{ResponseWriter: w}
	a.Header().Set("X-Request-Id", id)
	a.Header().Set("X-Content-Type-Options", "nosniff")
	a.Header().Set("Cache-Control", "no-store") // an endpoint whose answer may be kept says so
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, &id))
	defer e.leave(a, r, began)
	switch retry, banned := e.knock(r); {
	case banned:
		a.Header().Set("Retry-After", strconv.Itoa(int(retry.Seconds())+1))
		a.plain(http.StatusTooManyRequests, "Too many failed attempts from this address. Come back later. GH-1502, request "+id)
	case r.URL.RawPath != "" || r.URL.Path != path.Clean(r.URL.Path) && r.URL.Path != path.Clean(r.URL.Path)+"/":
		a.plain(http.StatusBadRequest, "The path is not in its plain form. GH-1007, request "+id)
	default:
		e.next.ServeHTTP(a, r)
	}
}

func (e entry) knock(r *http.Request) (retry time.Duration, banned bool) {
	if e.Knock == nil {
		return 0, false
	}
	return e.Knock(r)
}

// leave ends a request, also one that panicked: that costs its caller a 500, and
// nobody else anything. The query is not logged: it has codes and states.
func (e entry) leave(a *answer, r *http.Request, began time.Time) {
	p := recover()
	if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
		e.Log.Error("panic", "request", requestID(r), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if a.status == 0 {
			a.plain(http.StatusInternalServerError, "Something went wrong here. The request id tells the operator what. GH-1901, request "+requestID(r))
		}
	}
	took := time.Since(began)
	if e.Count != nil {
		e.Count(endpoint(r.URL.Path), a.status, took)
	}
	from, _ := e.Address(r)
	level := slog.LevelInfo
	if a.status < http.StatusBadRequest && e.Quiet {
		level = slog.LevelDebug
	}
	e.Log.Log(r.Context(), level, "authorization server", "request", requestID(r), "endpoint", endpoint(r.URL.Path), "method", method(r.Method),
		"status", a.status, "address", from.String(), "took", took.Round(time.Microsecond).String())
	if p != nil && a.begun {
		panic(http.ErrAbortHandler) // half an answer must not be taken for a whole one
	}
}

// method is a bounded word for a request's method: anybody may make one up.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// endpoint is a path as it is counted: what follows may be anybody's.
func endpoint(p string) string {
	for _, known := range Paths() {
		if p == known || strings.HasSuffix(known, "/") && strings.HasPrefix(p, known) {
			return strings.TrimSuffix(known, "/")
		}
	}
	return "other"
}

// answer remembers its status.
type answer struct {
	http.ResponseWriter
	status int  // zero until it is begun
	begun  bool // something of the body was written
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.begun = true
	return a.ResponseWriter.Write(b) //nolint:gosec // what is written is escaped by who writes it
}

// Unwrap lets http.ResponseController find what it controls.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// plain answers before there is anybody to make a page.
func (a *answer) plain(status int, text string) {
	h := a.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	a.WriteHeader(status)
	_, _ = a.Write([]byte(text + "\n")) // nobody is left to tell
}
