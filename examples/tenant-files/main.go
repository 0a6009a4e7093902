// Package main is an MCP server whose tools read and write files, each caller's
// within the directory of their tenant. Keys stand in for an issuer here: what
// counts is that the tenant comes from the credential, never from an argument.
//
//	KEYS=keys.json DIR=/srv/files RESOURCE=https://mcp.example.com/mcp LISTEN=127.0.0.1:3000 go run .
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/mcpsdk"
	"github.com/gatehouse-mcp/gatehouse/tenantfs"
)

func main() {
	handler, err := protected()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	s := &http.Server{Addr: os.Getenv("LISTEN"), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, s.ListenAndServe())
	os.Exit(1)
}

func protected() (http.Handler, error) {
	text, err := os.ReadFile(os.Getenv("KEYS"))
	if err != nil {
		return nil, err
	}
	var keys []gatehouse.APIKey // [{"Digest": "sha256:…", "Identity": {"Subject": "ada", "Tenant": "acme"}}]
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, err
	}
	root, err := tenantfs.Open(os.Getenv("DIR"))
	if err != nil {
		return nil, err
	}
	return mcpsdk.Handler(files(root), gatehouse.Resource{URL: os.Getenv("RESOURCE"), Name: "Files"}, &gatehouse.APIKeyVerifier{Keys: keys}, nil)
}

type args struct {
	Path string `json:"path"`
	Text string `json:"text,omitempty"`
}

// files has tools that know no tenant by name: root opens the caller's.
func files(root *tenantfs.Root) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "files", Version: "1"}, nil)
	add := func(name, about string, do func(f *tenantfs.FS, in args) (string, error)) {
		mcp.AddTool(s, &mcp.Tool{Name: name, Description: about},
			func(ctx context.Context, _ *mcp.CallToolRequest, in args) (*mcp.CallToolResult, any, error) {
				f, err := root.For(ctx)
				if err != nil {
					return nil, nil, err
				}
				defer f.Close() //nolint:errcheck // a directory, only read
				text, err := do(f, in)
				if err != nil {
					return nil, nil, err
				}
				return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
			})
	}
	add("read", "What is in a file.", func(f *tenantfs.FS, in args) (string, error) {
		b, err := f.ReadFile(in.Path)
		return string(b), err
	})
	add("write", "Put a text into a file.", func(f *tenantfs.FS, in args) (string, error) {
		return "written", f.WriteFile(in.Path, []byte(in.Text))
	})
	add("list", "The names in a directory.", func(f *tenantfs.FS, in args) (string, error) {
		entries, err := f.ReadDir(in.Path)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, "\n"), err
	})
	return s
}
