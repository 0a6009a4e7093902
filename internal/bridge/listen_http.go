package bridge

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// door lets clients of this machine that speak HTTP reach the server. What they send
// goes on as it is, with our access in the place of their key.
type door struct {
	r     *remote
	hosts []string // by which it is reached
	path  string
	key   string
}

// Serve lets whoever has the key reach the server by a listener of this machine,
// until ctx ends. In and Out are not used. The server has to speak Streamable HTTP.
func (b *Bridge) Serve(ctx context.Context, l net.Listener, key string) error {
	base, stop := context.WithCancel(ctx)
	defer stop()
	b.remote = newRemote(b, base)
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil || key == "" {
		return errors.New("a bridge that listens needs an address and a key")
	}
	d := &door{r: b.remote, hosts: []string{l.Addr().String(), net.JoinHostPort("localhost", port)}, path: PathOf(b.Server), key: key}
	s := &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, BaseContext: func(net.Listener) context.Context { return base }}
	end := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer end()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	b.remote.wait()
	return nil
}

// PathOf is where a bridge that listens serves: the path of the server.
func PathOf(server string) string {
	if u, err := url.Parse(server); err == nil && u.Path != "" {
		return u.Path
	}
	return "/"
}

// passed are the headers that go on, besides those of MCP.
var passed = []string{"Accept", "Content-Type", "Last-Event-Id"}

// returned are the headers that come back.
var returned = []string{"Content-Type", "Mcp-Session-Id", "Mcp-Protocol-Version", "Retry-After", "Allow", "X-Accel-Buffering"}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if status := d.admit(r); status != 0 {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		http.Error(w, http.StatusText(status), status)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(d.r.b.max())))
	if err != nil {
		http.Error(w, "The body cannot be read, or is too long.", http.StatusRequestEntityTooLarge)
		return
	}
	var id []byte
	harmless := r.Method == http.MethodGet
	if m, err := readMessage(body); err == nil {
		id, harmless = m.ID, m.harmless()
	}
	if len(body) == 0 {
		body = nil
	}
	header := http.Header{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "Mcp-") {
			header[name] = values
		}
	}
	for _, name := range passed {
		if v := r.Header.Values(name); len(v) > 0 {
			header[name] = v
		}
	}
	res, err := d.r.send(r.Context(), r.Method, d.r.b.Server, body, header, harmless)
	if err != nil {
		d.fail(w, id, err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	d.pass(w, res, id)
}

// admit says with which status a request is refused; 0: it is not. A page in a browser
// has another Host or an Origin, another program no key.
func (d *door) admit(r *http.Request) int {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	origin, web := strings.CutPrefix(r.Header.Get("Origin"), "http://")
	switch {
	case !slices.Contains(d.hosts, r.Host) || (web || origin != "") && !slices.Contains(d.hosts, origin):
		return http.StatusForbidden
	case !ok || len(r.Header.Values("Authorization")) != 1 || subtle.ConstantTimeCompare([]byte(given), []byte(d.key)) != 1:
		return http.StatusUnauthorized
	case r.URL.Path != d.path || r.URL.RawQuery != "":
		return http.StatusNotFound
	case r.Method != http.MethodPost && r.Method != http.MethodGet && r.Method != http.MethodDelete:
		return http.StatusMethodNotAllowed
	}
	return 0
}

// pass hands an answer on as it comes.
func (d *door) pass(w http.ResponseWriter, res *http.Response, id []byte) {
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
		// The client has no part in it, and would begin to sign in by itself.
		d.fail(w, id, &signin.Error{Code: signin.CodeRefused, Text: "The server knows who is calling, and refuses it.", Request: signin.RequestID(res.Header)})
		return
	}
	for _, name := range returned {
		if v := res.Header.Values(name); len(v) > 0 {
			w.Header()[name] = v
		}
	}
	w.WriteHeader(res.StatusCode)
	out := http.NewResponseController(w)
	_ = out.Flush()
	buf := make([]byte, 32<<10)
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			_ = out.Flush()
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the client must not take it for the end
		}
	}
}

func (d *door) fail(w http.ResponseWriter, id []byte, err error) {
	code, text, data := explain(err)
	d.r.b.Log.Warn("a request got no answer of the server", "error", text)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadGateway)
	_, _ = w.Write((&mcp.Error{Code: code, Message: text, ID: id, Data: data}).JSON())
}
