// Package main is an MCP server that stands behind Gatehouse and knows who is
// calling: GATEHOUSE=https://mcp.example.com SELF=http://127.0.0.1:3000/mcp go run .
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	v := &Verifier{Gateway: os.Getenv("GATEHOUSE"), Self: os.Getenv("SELF")}
	self, err := url.Parse(v.Self)
	if err != nil || v.Gateway == "" || self.Host == "" {
		fmt.Fprintln(os.Stderr, "set GATEHOUSE and SELF")
		os.Exit(2)
	}
	server := &http.Server{Addr: self.Host, Handler: protected(v), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

type caller struct{}

// protected lets nobody in but whom Gatehouse vouches for.
func protected(v *Verifier) http.Handler {
	next := mcp.NewStreamableHTTPHandler(func(r *http.Request) *mcp.Server {
		return serve(r.Context().Value(caller{}).(*Identity)) //nolint:forcetypeassert // put there below
	}, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := v.Verify(r)
		if err != nil {
			http.Error(w, "not from the gateway", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), caller{}, id)))
	})
}

// serve is the server as one caller sees it.
func serve(id *Identity) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "behind", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "whoami", Description: "Who is calling."},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			text := fmt.Sprintf("%s of %s calls %s", id.Subject, id.Name, id.Tool)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
		})
	return s
}
