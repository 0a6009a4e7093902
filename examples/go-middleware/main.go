// Package main is an MCP server of the official Go SDK that protects itself: it
// takes access tokens of one issuer, and API keys, without anything in front.
//
//	RESOURCE=https://mcp.example.com/mcp ISSUER=https://login.example.com LISTEN=127.0.0.1:3000 go run .
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/mcpsdk"
)

func main() {
	handler, err := protected(os.Getenv("RESOURCE"), os.Getenv("ISSUER"), os.Getenv("KEY_DIGEST"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	server := &http.Server{Addr: os.Getenv("LISTEN"), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

// protected returns the server's handler. The line that protects it is the last one.
func protected(url, issuer, digest string) (http.Handler, error) {
	keys := &gatehouse.RemoteKeys{Issuer: issuer}
	if os.Getenv("PRIVATE_ISSUER") != "" { // by itself it asks no address that is not public
		keys.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	verifier := gatehouse.Verifier(&gatehouse.JWTVerifier{Issuer: issuer, Audience: url, Keys: keys})
	if digest != "" { // of a key from gatehouse.NewAPIKey
		verifier = gatehouse.AnyOf(&gatehouse.APIKeyVerifier{Keys: []gatehouse.APIKey{
			{Digest: digest, Identity: gatehouse.Identity{Subject: "ci", Scopes: []string{"notes:read"}}},
		}}, verifier)
	}
	resource := gatehouse.Resource{
		URL: url, AuthorizationServers: []string{issuer}, Name: "Notes",
		Scopes:   []string{"notes:read"}, // what clients ask for first; more when they call add_note
		Includes: map[string][]string{"notes:write": {"notes:read"}},
	}
	return mcpsdk.Handler(notes(), resource, verifier, &mcpsdk.Options{Need: need, HTTP: &mcp.StreamableHTTPOptions{Stateless: true}})
}

// need says which scopes an operation needs. A client whose token lacks them is
// told all of them, and signs in for more.
func need(op *gatehouse.Operation) []string {
	if op.Method == "tools/call" && op.Name == "add_note" {
		return []string{"notes:write"}
	}
	return []string{"notes:read"}
}

// notes is a server like any other. Its tools know who calls.
func notes() *mcp.Server {
	var mu sync.Mutex
	kept := map[string][]string{}
	s := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "list_notes", Description: "Your notes."},
		func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			id, _ := gatehouse.FromContext(ctx)
			mu.Lock()
			defer mu.Unlock()
			return text("%s has %d notes: %s", id.Subject, len(kept[mcpsdk.UserID(id)]), strings.Join(kept[mcpsdk.UserID(id)], ", ")), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "add_note", Description: "Keep a note."},
		func(ctx context.Context, _ *mcp.CallToolRequest, in struct {
			Text string `json:"text,omitempty"`
		},
		) (*mcp.CallToolResult, any, error) {
			id, _ := gatehouse.FromContext(ctx)
			mu.Lock()
			defer mu.Unlock()
			kept[mcpsdk.UserID(id)] = append(kept[mcpsdk.UserID(id)], in.Text) // a subject alone is not one person: each issuer has its own
			return text("kept for %s", id.Subject), nil, nil
		})
	return s
}

func text(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}
