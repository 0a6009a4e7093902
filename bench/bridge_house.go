package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/person"
)

// The tools of the server behind the bridges.
const (
	toolEcho = "echo"
	toolBig  = "big"
)

// mcpServer is a server of MCP on the Go SDK, as its examples make one. "echo"
// says its text back, "big" says it in an answer of a megabyte.
func mcpServer() http.Handler {
	m := mcp.NewServer(&mcp.Implementation{Name: "bench", Version: "1"}, nil)
	padding := strings.Repeat("x", bigAnswer)
	for _, name := range []string{toolEcho, toolBig} {
		m.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object","properties":{"text":{"type":"string"}}}`)},
			func(_ context.Context, q *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				var args struct{ Text string }
				if err := json.Unmarshal(q.Params.Arguments, &args); err != nil {
					return nil, err
				}
				out := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: args.Text}}}
				if name == toolBig {
					out.Content = append(out.Content, &mcp.TextContent{Text: padding})
				}
				return out, nil
			})
	}
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return m }, nil)
}

// relay carries lines of standard input to a server, and its answers back: the
// least that a bridge has to do. It knows no sign-in, and makes good for nothing.
func relay(to string) error {
	d := newDirect(door{url: to, key: os.Getenv(keyVariable)})
	d.client.Timeout = time.Minute
	var mu sync.Mutex
	out := func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.Write(append(b, '\n'))
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := bytes.Clone(in.Bytes())
		one := func() {
			b, err := d.post(context.Background(), line)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			if len(b) > 0 {
				out(b)
			}
		}
		if bytes.Contains(line, []byte(`"tools/call"`)) {
			go one()
			continue
		}
		one() // those before the first call set the session
	}
	return in.Err()
}

// house is what bridges lead to: a server, and Gatehouse in front of it.
type house struct {
	y        *yard
	server   string // addresses
	address  string
	key      string
	programs []*program
}

func (h *house) stop() {
	for _, p := range h.programs {
		p.stop()
	}
}

// door is a way in for a bridge.
func (h *house) door(b *bridger, way string) door {
	d := door{who: strings.ToLower(b.name), url: "http://" + h.address + "/mcp", home: filepath.Join(h.y.dir, "home "+b.name)}
	switch way {
	case wayOpen:
		d.url = "http://" + h.server + "/mcp"
	case wayKey:
		d.key = h.key
	}
	return d
}

// house starts the servers. Gatehouse serves from a copy of its file: bridges
// would otherwise share the pages of it, and weigh less than they do.
func (y *yard) house() (h *house, err error) {
	h = &house{y: y}
	defer func() {
		if err != nil {
			h.stop()
		}
	}()
	for _, address := range []*string{&h.server, &h.address} {
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	for _, b := range y.bridgers() {
		if err := os.MkdirAll(h.door(b, wayTokens).home, 0o700); err != nil {
			return nil, err
		}
	}
	server, err := y.self(y.driver, "mcp", h.server)
	if err != nil {
		return nil, err
	}
	h.programs = append(h.programs, server)
	binary := filepath.Join(y.dir, "gatehouse-serve")
	if err := copyFile(binary, y.binary); err != nil {
		return nil, err
	}
	dir := filepath.Join(y.dir, "house")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := configure(dir, "oauth.yaml", map[string]any{"Address": h.address, "Server": "http://" + h.server + "/mcp"})
	if err != nil {
		return nil, err
	}
	gate, err := start(y.ctx, y.dir, y.driver, binary, "serve", "--quiet", "--json", "-c", file)
	if err != nil {
		return nil, err
	}
	h.programs = append(h.programs, gate)
	if _, err := gate.line(20 * time.Second); err != nil {
		return nil, fmt.Errorf("%w: %s", err, gate.tail())
	}
	return h, h.furnish(y, binary, file)
}

// furnish makes an account for each who signs in, since a code of an
// authenticator is good once, and a key.
func (h *house) furnish(y *yard, binary, file string) error {
	for _, b := range y.bridgers() {
		if b.sign == nil {
			continue
		}
		cmd := exec.CommandContext(y.ctx, binary, "user", "create", h.door(b, wayTokens).who, "--password-stdin", "-c", file)
		cmd.Stdin = strings.NewReader(password + "\n")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("make an account: %w: %s", err, text)
		}
	}
	text, err := exec.CommandContext(y.ctx, binary, "key", "create", "--name", "bench", "--json", "-c", file).Output()
	if err != nil {
		return fmt.Errorf("make a key: %w: %s", err, text)
	}
	var made struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(text, &made); err != nil || made.Key == "" {
		return fmt.Errorf("key create said %.100q: %w", text, err)
	}
	h.key = made.Key
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// walk goes to where a client wants a person, signs in there, allows it, and
// brings the client what it is told.
func walk(ctx context.Context, who, to string) error {
	at, err := url.Parse(to)
	if err != nil {
		return err
	}
	browser := &hand{address: at.Host, cookies: map[string]string{}}
	if err := browser.connect(ctx); err != nil {
		return err
	}
	defer browser.close()
	p := &resident{Person: person.Person{Name: who, Password: password}}
	told, err := browser.visit(at.RequestURI(), p.fill)
	if err != nil {
		return err
	}
	if told.Get("code") == "" {
		return fmt.Errorf("the client is told %v", told)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, at.Query().Get("redirect_uri")+"?"+told.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the client answers %d", res.StatusCode)
	}
	return nil
}
