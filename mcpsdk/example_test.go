package mcpsdk_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/mcpsdk"
)

// A server whose tools know who calls.
func ExampleHandler() {
	server := mcp.NewServer(&mcp.Implementation{Name: "files", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		id, _ := gatehouse.FromContext(ctx)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: id.Subject}}}, nil, nil
	})

	const url, issuer = "https://mcp.example.com/mcp", "https://login.example.com"
	handler, err := mcpsdk.Handler(server,
		gatehouse.Resource{URL: url, AuthorizationServers: []string{issuer}},
		&gatehouse.JWTVerifier{Issuer: issuer, Audience: url, Keys: &gatehouse.RemoteKeys{Issuer: issuer}},
		nil,
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("POST", "/mcp", nil))
	fmt.Println(w.Code)
	// Output: 401
}
