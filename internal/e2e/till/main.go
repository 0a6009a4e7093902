// Command till is an MCP server of the Go SDK that takes payments: it writes each
// one into a book before it answers, so that a test can see after its death what
// it did.
//
//	till ADDRESS BOOK    at /sessions with sessions, at /stateless without, at /sse over HTTP+SSE
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type payment struct {
	Number int `json:"number"`
}

// work is how long a payment takes on either side of the book: the server may die
// before it is written or after.
const work = 2 * time.Millisecond

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, book string) error {
	f, err := os.OpenFile(book, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s := mcp.NewServer(&mcp.Implementation{Name: "till", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "pay"}, func(_ context.Context, _ *mcp.CallToolRequest, p payment) (*mcp.CallToolResult, any, error) {
		time.Sleep(work)
		_, err := fmt.Fprintln(f, p.Number) // one write: no other comes between
		time.Sleep(work)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(p.Number)}}}, nil, err
	})
	get := func(*http.Request) *mcp.Server { return s }
	http.Handle("/sessions", mcp.NewStreamableHTTPHandler(get, nil))
	http.Handle("/stateless", mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{Stateless: true}))
	http.Handle("/sse", mcp.NewSSEHandler(get, nil))
	return http.ListenAndServe(address, nil) //nolint:gosec // on loopback, for a test
}
