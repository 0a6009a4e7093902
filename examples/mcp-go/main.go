// Package main is an MCP server of mark3labs/mcp-go that protects itself. Its
// handlers run under the context of their request, so the caller is in there.
//
//	RESOURCE=https://mcp.example.com/mcp ISSUER=https://login.example.com LISTEN=127.0.0.1:3000 go run .
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse"
)

func main() {
	handler, err := protected(os.Getenv("RESOURCE"), os.Getenv("ISSUER"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	s := &http.Server{Addr: os.Getenv("LISTEN"), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, s.ListenAndServe())
	os.Exit(1)
}

// protected returns the server's handler. The line that protects it is the last one.
func protected(url, issuer string) (http.Handler, error) {
	keys := &gatehouse.RemoteKeys{Issuer: issuer}
	if os.Getenv("PRIVATE_ISSUER") != "" { // by itself it asks no address that is not public
		keys.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	verifier := &gatehouse.JWTVerifier{Issuer: issuer, Audience: url, Keys: keys}
	resource := gatehouse.Resource{URL: url, AuthorizationServers: []string{issuer}, Scopes: []string{"notes:read"}, Name: "Notes"}
	// Without sessions: mcp-go does not bind them to a caller, so whoever learns an
	// id could go on with somebody else's.
	notes := server.NewStreamableHTTPServer(notes(), server.WithStateLess(true))
	return gatehouse.Protect(gatehouse.RequireScopes(notes, need), resource, verifier)
}

// need says which scopes an operation needs, before mcp-go sees it.
func need(op *gatehouse.Operation) []string {
	if op.Method == "tools/call" && op.Name == "add_note" {
		return []string{"notes:read", "notes:write"}
	}
	return []string{"notes:read"}
}

func notes() *server.MCPServer {
	s := server.NewMCPServer("notes", "1")
	s.AddTool(mcp.NewTool("list_notes", mcp.WithDescription("Your notes.")), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		id, _ := gatehouse.FromContext(ctx)
		return mcp.NewToolResultText(id.Subject + " has 0 notes: "), nil
	})
	s.AddTool(mcp.NewTool("add_note", mcp.WithDescription("Keep a note.")), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		id, _ := gatehouse.FromContext(ctx)
		return mcp.NewToolResultText("kept for " + id.Subject), nil
	})
	return s
}
