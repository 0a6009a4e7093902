package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// Description is what a server says about itself.
type Description struct {
	PID      int      // of the child that was asked
	Tools    int      // how many it has
	Listed   [][]byte // what it says of each; nil: it was not asked
	Versions []string // of the protocol that it speaks, newest first
}

// Describe asks a server over stdio or HTTP+SSE what it is; a child is started if
// none runs. Of a server over Streamable HTTP nothing is asked, nor of one that
// has a child for each tenant. The error may contain what the child
// wrote; it is for operators.
func (g *Gateway) Describe(ctx context.Context) (Description, error) {
	s, ok := g.line.backend.(*linked)
	if !ok {
		return Description{}, nil
	}
	return s.describe(ctx)
}

// describe asks a child. One that callers of the newer era can share stays for
// them.
func (s *linked) describe(ctx context.Context) (Description, error) {
	if s.perTenant { // there is no child but for a tenant
		return Description{}, nil
	}
	a, err := s.sharedChild(ctx, nil)
	if err == nil {
		defer a.lease.give()
		d := Description{PID: a.link.peer.PID(), Versions: slices.Clone(a.versions)}
		slices.Sort(d.Versions)
		slices.Reverse(d.Versions)
		d.Listed, err = listTools(ctx, a.link, mcp.Modern)
		d.Tools = len(d.Listed)
		return d, why(a.link, err)
	}
	if !errors.Is(err, errOlder) {
		return Description{}, err
	}
	ignore := func(_ []byte, e *mcp.Envelope) bool { return e.Kind == mcp.Notification }
	l, err := s.launch(ctx, nil, mcp.Legacy, ignore, func(*link) {})
	if err != nil {
		return Description{}, err
	}
	d, err := older(ctx, l)
	err = why(l, err)
	l.stop()
	return d, err
}

// why replaces the news that a child has ended by the reason, if it has.
func why(l *link, err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-l.peer.Done():
		return l.peer.Err()
	default:
	}
	if !errors.Is(err, process.ErrEnded) {
		return err
	}
	select { // it is going: why is known once it is gone
	case <-l.peer.Done():
		return l.peer.Err()
	case <-time.After(time.Second):
		return err
	}
}

const (
	initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + mcp.Version20251125 +
		`","capabilities":{},"clientInfo":{"name":"gatehouse","version":"0"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

// older asks a child of the older era.
func older(ctx context.Context, l *link) (Description, error) {
	e, err := ask(ctx, l, "initialize", initialize)
	if err != nil {
		return Description{}, err
	}
	var result struct {
		ProtocolVersion string         `json:"protocolVersion"`
		Capabilities    map[string]any `json:"capabilities"`
	}
	if e.Error != nil || json.Unmarshal(e.Result, &result) != nil || result.ProtocolVersion == "" {
		return Description{}, fmt.Errorf("the server refuses to initialize: %s", printable(string(e.Error)))
	}
	d := Description{PID: l.peer.PID(), Versions: []string{result.ProtocolVersion}}
	if _, ok := result.Capabilities["tools"]; !ok {
		return d, nil
	}
	if err := l.peer.Send(ctx, nil, []byte(initialized)); err != nil {
		return d, err
	}
	d.Listed, err = listTools(ctx, l, mcp.Legacy)
	d.Tools = len(d.Listed)
	return d, err
}

// listTools pages through a server's list of tools.
func listTools(ctx context.Context, l *link, era mcp.Era) (all [][]byte, err error) {
	const maxPages = 100
	cursor := ""
	for range maxPages {
		params := "{"
		if era == mcp.Modern {
			params += `"_meta":{` + probeMeta + `}`
		}
		if cursor != "" {
			text, err := json.Marshal(cursor)
			if err != nil {
				return nil, err
			}
			if era == mcp.Modern {
				params += ","
			}
			params += `"cursor":` + string(text)
		}
		e, err := ask(ctx, l, "tools/list", `{"jsonrpc":"2.0","id":0,"method":"tools/list","params":`+params+`}}`)
		if err != nil {
			return nil, err
		}
		var page struct {
			Tools      []json.RawMessage `json:"tools"`
			NextCursor string            `json:"nextCursor"`
		}
		if e.Error != nil {
			return all, nil // a server without tools
		}
		if err := json.Unmarshal(e.Result, &page); err != nil {
			return nil, fmt.Errorf("read the list of tools: %w", err)
		}
		for _, tool := range page.Tools {
			all = append(all, tool)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	return all, nil
}
