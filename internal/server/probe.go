package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

const (
	maxPages  = 50       // of a list of tools: one that never ends is not worth waiting for
	maxAnswer = 16 << 20 // bytes
)

// prober is a short-lived client of an MCP server over HTTP. It goes straight to
// the server: nothing is opened at the gateway for it.
type prober struct {
	client  *upstream.Client
	forward *upstream.Forward // how we sign in; nil: not at all
	version string            // protocol revision spoken
	session string            // Mcp-Session-Id; empty: none
	last    int               // id of the last request
}

// page is what is read of the results of initialize and tools/list.
type page struct {
	Tools           []json.RawMessage `json:"tools"`
	NextCursor      string            `json:"nextCursor"`
	ProtocolVersion string            `json:"protocolVersion"`
}

// said is an error that the server answered: it is there, but did not like the question.
type said struct {
	status  int
	code    int
	message string
}

func (s said) Error() string {
	if s.code == 0 {
		return fmt.Sprintf("it answered with status %d: %.200q", s.status, s.message)
	}
	return fmt.Sprintf("it answered with status %d, code %d: %.200q", s.status, s.code, s.message)
}

// ErrCredential says that the MCP server refuses callers without a credential.
var ErrCredential = errors.New("it wants a credential of its own")

// probe asks for the tools in the newer era or else in the older.
func probe(ctx context.Context, client *upstream.Client, forward *upstream.Forward) (gateway.Description, error) {
	p := &prober{client: client, forward: forward, version: mcp.Version20260728}
	all, first := p.tools(ctx)
	if first == nil {
		return gateway.Description{Versions: []string{p.version}, Tools: len(all), Listed: all}, nil
	}
	var refusal said
	if !errors.As(first, &refusal) {
		return gateway.Description{}, first
	}
	p.version = mcp.Version20251125
	hello, err := p.call(ctx, "initialize", map[string]any{
		"protocolVersion": p.version, "capabilities": map[string]any{}, "clientInfo": self(),
	})
	switch {
	case err != nil && refusal.code == mcp.CodeMethodNotFound: // of the newer era, and without tools
		return gateway.Description{Versions: []string{mcp.Version20260728}}, nil
	case err != nil:
		return gateway.Description{}, err
	}
	if hello.ProtocolVersion != "" {
		p.version = hello.ProtocolVersion
	}
	defer p.leave(ctx)
	if _, err := p.send(ctx, map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"}, ""); err != nil {
		return gateway.Description{}, err
	}
	if all, err = p.tools(ctx); err != nil && !errors.As(err, &said{}) { // a server without tools says so
		return gateway.Description{}, err
	}
	return gateway.Description{Versions: []string{p.version}, Tools: len(all), Listed: all}, nil
}

func self() map[string]string { return map[string]string{"name": "gatehouse", "version": "1"} }

// tools lists the tools.
func (p *prober) tools(ctx context.Context) (all [][]byte, err error) {
	cursor := ""
	for range maxPages {
		params := map[string]any{}
		if cursor != "" {
			params["cursor"] = cursor
		}
		if p.version == mcp.Version20260728 {
			params["_meta"] = map[string]any{
				"io.modelcontextprotocol/protocolVersion":    p.version,
				"io.modelcontextprotocol/clientInfo":         self(),
				"io.modelcontextprotocol/clientCapabilities": map[string]any{},
			}
		}
		list, err := p.call(ctx, "tools/list", params)
		if err != nil {
			return all, err
		}
		for _, tool := range list.Tools {
			all = append(all, tool)
		}
		if list.NextCursor == "" {
			break
		}
		cursor = list.NextCursor
	}
	return all, nil
}

// call sends a request and reads its result.
func (p *prober) call(ctx context.Context, method string, params map[string]any) (*page, error) {
	p.last++
	message, err := p.send(ctx, map[string]any{"jsonrpc": "2.0", "id": p.last, "method": method, "params": params}, strconv.Itoa(p.last))
	if err != nil {
		return nil, err
	}
	e, err := mcp.Peek(message)
	if err != nil {
		return nil, said{status: http.StatusOK, message: "what it answered is not JSON-RPC"}
	}
	if e.Error != nil {
		var wire struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}
		_ = json.Unmarshal(e.Error, &wire) // zero values do for an error
		return nil, said{http.StatusOK, wire.Code, wire.Message}
	}
	out := &page{}
	if err := json.Unmarshal(e.Result, out); err != nil {
		return nil, said{status: http.StatusOK, message: "its result is not what " + method + " has"}
	}
	return out, nil
}

// send posts one message and returns the response to the request with this id;
// nil for a notification.
func (p *prober) send(ctx context.Context, message map[string]any, id string) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	method, _ := message["method"].(string)
	h, err := p.headers(ctx, method)
	if err != nil {
		return nil, err
	}
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/event-stream")
	if p.version == mcp.Version20260728 {
		h.Set("Mcp-Method", method)
	}
	res, err := p.client.Do(ctx, &upstream.Request{Method: http.MethodPost, Header: h, Body: body})
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if session := res.Header.Get("Mcp-Session-Id"); session != "" {
		p.session = session
	}
	switch {
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("%w (status %d)", ErrCredential, res.StatusCode)
	case id == "":
		return nil, nil
	}
	return answer(res, id)
}

// headers are those of every request; they sign us in as ourselves.
func (p *prober) headers(ctx context.Context, method string) (http.Header, error) {
	h := http.Header{"Mcp-Protocol-Version": {p.version}, "User-Agent": {"gatehouse"}}
	if p.session != "" {
		h.Set("Mcp-Session-Id", p.session)
	}
	return h, p.forward.Attach(ctx, h, &upstream.Caller{Subject: upstream.Ourselves, Method: method, RequestID: rand.Text()[:16]})
}

// leave ends a session; a server that cannot will forget it by itself.
func (p *prober) leave(ctx context.Context) {
	if p.session == "" {
		return
	}
	h, err := p.headers(ctx, "")
	if err != nil {
		return
	}
	if res, err := p.client.Do(ctx, &upstream.Request{Method: http.MethodDelete, Header: h}); err == nil {
		_ = res.Body.Close()
	}
}

// answer returns the response to the request with this id.
func answer(res *http.Response, id string) ([]byte, error) {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case kind == "application/json":
		return io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	case kind != "text/event-stream" && kind != "text/plain": // a page of markup explains nothing
		return nil, said{status: res.StatusCode, message: orDefault(kind, "nothing")}
	case kind != "text/event-stream":
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return nil, said{status: res.StatusCode, message: string(bytes.TrimSpace(text))}
	}
	events := mcp.NewEventReader(res.Body, maxAnswer)
	for {
		e, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("its stream ended without an answer: %w", err)
		}
		if m, err := mcp.Peek(e.Data); err == nil && m.Kind == mcp.Response && string(m.ID) == id {
			return bytes.Clone(e.Data), nil
		}
	}
}
