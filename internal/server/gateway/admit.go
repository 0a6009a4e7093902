package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/credential"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

const (
	headerSession = "Mcp-Session-Id"
	headerVersion = "Mcp-Protocol-Version"
)

// route refuses every path but ours. A path that some hop could read in two
// ways is refused as such, never cleaned and never redirected.
func (g *Gateway) route(r *http.Request) error {
	target, _, _ := strings.Cut(r.RequestURI, "?")
	if !canonical(target) {
		return &gatehouse.Error{Code: "GH-1007", Status: http.StatusBadRequest, Description: "The path is not in its plain form."}
	}
	if g.Serves(target) || target == "/" && r.Method == http.MethodGet {
		return nil
	}
	return notFound()
}

func notFound() error {
	return &gatehouse.Error{Code: "GH-1305", Status: http.StatusNotFound, Description: "Nothing is served at this path."}
}

// canonical says whether a request target's path reads the same everywhere:
// plain characters, no empty, "." or ".." segment.
func canonical(path string) bool {
	if !strings.HasPrefix(path, "/") || len(path) > 2048 {
		return false
	}
	for _, c := range []byte(path) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/-._~", c) >= 0) {
			return false
		}
	}
	return !strings.Contains(path, "//") && !strings.Contains(path+"/", "/./") && !strings.Contains(path+"/", "/../")
}

// admit finds the credential and asks who it stands for.
func (g *Gateway) admit(x *exchange) error {
	p := &x.presented
	*p = gatehouse.Credential{From: x.from, Shared: x.shared, Certificate: credential.Certificate(x.r), Presented: credential.Presented(x.r), Proofs: credential.Proofs(x.r)}
	if len(p.Proofs) > 0 { // for nothing else
		p.Method, p.URL = x.r.Method, g.origin+x.r.URL.Path
	}
	var fault *credential.Fault
	if p.Scheme, p.Text, fault = credential.Read(x.r); fault != nil {
		if limited := g.guard().Knock(p); limited != nil {
			return limited
		}
		return judged(fault)
	}
	var err error
	x.caller, err = g.guard().Admit(x.r.Context(), p)
	if err != nil {
		return err
	}
	if !g.Serves(x.r.URL.Path) {
		return notFound() // "/" is only there for a browser that has lost its way
	}
	return nil
}

// judged is a fault of the request as a refusal.
func judged(f *credential.Fault) error {
	e := &gatehouse.Error{Code: f.Code, Status: f.Status, Description: f.Description, Cause: f.Cause}
	if f.Challenge {
		e.Challenge = &gatehouse.Challenge{Error: f.OAuth}
		if f.OAuth == "invalid_token" {
			e.Challenge.Description = f.Description
		}
	}
	return e
}

// bind opens the session id that a request of the older era names. A session
// of somebody else is the same as none. MCP 2025-11-25 transports
func (g *Gateway) bind(x *exchange) error {
	if sessionInQuery(x.r.URL.RawQuery) {
		return noSession()
	}
	if x.call != nil && (x.call.Era == mcp.Modern || x.call.Messages[0].Method == "initialize") {
		return nil // a client chooses no session id, and the newer era has none
	}
	values := x.r.Header[headerSession]
	if len(values) == 0 {
		return unasked(x.call)
	}
	session, ok := g.sessions.open(x.caller, values[0])
	if !ok || len(values) > 1 {
		return noSession()
	}
	x.session = session
	return nil
}

// sessionInQuery says whether a query names a session, as HTTP+SSE did: whose
// it is could not be told there. MCP 2024-11-05 transports
func sessionInQuery(raw string) bool {
	if raw == "" {
		return false
	}
	query, _ := url.ParseQuery(raw) // was read before
	for name := range query {
		switch strings.ToLower(name) {
		case "sessionid", "session_id", "mcp-session-id":
			return true
		}
	}
	return false
}

// unasked refuses answers of a client that names no session: without one the
// server may take them for the answers of somebody else that it has asked.
func unasked(call *mcp.Call) error {
	if call == nil {
		return nil
	}
	for i := range call.Messages {
		if call.Messages[i].Kind == mcp.Response {
			return &mcp.Error{Status: http.StatusBadRequest, Code: mcp.CodeInvalidRequest, Message: "A response belongs to a session: name it in Mcp-Session-Id."}
		}
	}
	return nil
}

// noSession tells a client to initialize anew. MCP 2025-11-25 transports
func noSession() error {
	return &gatehouse.Error{Code: "GH-1303", Status: http.StatusNotFound, Description: "Session not found. Initialize a new one."}
}

func notAllowed(methods string) error {
	return &gatehouse.Error{Code: "GH-1306", Status: http.StatusMethodNotAllowed, Description: "Allowed methods: " + methods + "."}
}

// read takes the body, bounded in size and time, and reads it strictly.
func (g *Gateway) read(x *exchange) error {
	if err := jsonOnly(x.r.Header); err != nil {
		return err
	}
	body, err := g.body(x)
	if err != nil {
		return err
	}
	x.call, err = mcp.Limits{}.Read(body, x.r.Header)
	return err
}

// jsonOnly refuses bodies that a browser could send without asking first, and
// those that would have to be unpacked before they can be inspected.
func jsonOnly(h http.Header) error {
	kind, charset := mediaType(h.Get("Content-Type"))
	if kind != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") || len(h["Content-Type"]) > 1 {
		return &gatehouse.Error{Code: "GH-1008", Status: http.StatusUnsupportedMediaType, Description: "Send Content-Type: application/json."}
	}
	if len(h["Content-Encoding"]) > 0 {
		return &gatehouse.Error{Code: "GH-1008", Status: http.StatusUnsupportedMediaType, Description: "Send the body without Content-Encoding."}
	}
	return nil
}

// mediaType reads a Content-Type; what cannot be read is of no type. Nearly
// all are plain, and those are not worth a parse.
func mediaType(v string) (kind, charset string) {
	if v == "application/json" || v == "text/event-stream" {
		return v, ""
	}
	kind, params, err := mime.ParseMediaType(v)
	if err != nil {
		return "", ""
	}
	return kind, params["charset"]
}

func (g *Gateway) body(x *exchange) ([]byte, error) {
	r := x.r
	if r.ContentLength > g.MaxBody {
		return nil, g.tooLarge(x)
	}
	body, err := readBody(r, g.MaxBody)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, g.tooLarge(x)
	case err != nil:
		x.w.Header().Set("Connection", "close")
		return nil, &gatehouse.Error{Code: "GH-1307", Status: http.StatusBadRequest, Description: "The body ended early or came too slowly.", Cause: err}
	}
	// The same connection tells from now on when the client leaves.
	_ = http.NewResponseController(x.w.ResponseWriter).SetReadDeadline(time.Time{})
	return body, nil
}

// hurry bounds the time that a body may take, of whomever it is: what we refuse
// without reading it net/http reads to its end before it goes on.
func (g *Gateway) hurry(a *answer, r *http.Request, now time.Time) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(a.ResponseWriter).SetReadDeadline(now.Add(g.BodyWait))
	}
}

func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func (g *Gateway) tooLarge(x *exchange) error {
	x.w.Header().Set("Connection", "close") // the rest of the body is not worth reading
	return &gatehouse.Error{Code: "GH-1009", Status: http.StatusRequestEntityTooLarge, Description: "The body is larger than this server accepts."}
}
