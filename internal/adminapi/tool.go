package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Tool is a tool as a server describes it, and as it was approved.
type Tool struct {
	Server     string     `json:"server"`
	Tenant     string     `json:"tenant,omitempty"` // whose server it is; absent: all share it
	Name       string     `json:"name"`
	State      string     `json:"state"`              // approved, changed or new
	Hash       string     `json:"hash"`               // of what was seen last
	Approved   string     `json:"approved,omitempty"` // hash of what was approved
	ApprovedAt *time.Time `json:"approved_at"`        // null: never
	ApprovedBy string     `json:"approved_by,omitempty"`
	Seen       time.Time  `json:"seen"`  // last time that it was another than before
	First      time.Time  `json:"first"` // seen
	DryRun     bool       `json:"dry_run,omitempty"`
}

// ToolDiff is a tool in both ways.
type ToolDiff struct {
	Tool   Tool            `json:"tool"`
	Before json.RawMessage `json:"before"` // as it was approved; null: never
	After  json.RawMessage `json:"after"`  // as it was seen last
}

// ApproveTools asks for tools to be approved as they were seen last.
type ApproveTools struct {
	Server string   `json:"server"`
	Tenant string   `json:"tenant,omitempty"` // name or id; empty: of the server that all share
	Tools  []string `json:"tools,omitempty"`  // by name
	All    bool     `json:"all,omitempty"`    // instead: all that are not approved, of every tenant unless one is named
	Hash   string   `json:"hash,omitempty"`   // of the one tool, as it was looked at
}

// Tools lists the tools of a server; of all servers for "".
func (c *Client) Tools(ctx context.Context, server string) ([]Tool, error) {
	path := "/v1/tools"
	if server != "" {
		path += "?" + url.Values{"server": {server}}.Encode()
	}
	list, err := call[[]Tool](ctx, c, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// DiffTool returns a tool as it was approved and as it is.
func (c *Client) DiffTool(ctx context.Context, server, tenant, tool string) (*ToolDiff, error) {
	q := url.Values{"server": {server}, "tool": {tool}}
	if tenant != "" {
		q.Set("tenant", tenant)
	}
	return call[ToolDiff](ctx, c, http.MethodGet, "/v1/tools/diff?"+q.Encode(), nil)
}

// ApproveTools approves tools, and returns those that were not approved before.
func (c *Client) ApproveTools(ctx context.Context, a ApproveTools) ([]Tool, error) {
	list, err := call[[]Tool](ctx, c, http.MethodPost, "/v1/tools/approve", a)
	if err != nil {
		return nil, err
	}
	return *list, nil
}
