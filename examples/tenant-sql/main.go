// Package main is an MCP server whose tools keep notes in PostgreSQL, each
// caller's with those of their tenant. The tables are those of
// docs/how-to/tenants-in-your-server.md.
//
//	KEYS=keys.json DATABASE=postgres://app@db/notes RESOURCE=https://mcp.example.com/mcp LISTEN=127.0.0.1:3000 go run .
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/mcpsdk"
	"github.com/gatehouse-mcp/gatehouse/tenantsql"
)

func main() {
	handler, err := protected(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	s := &http.Server{Addr: os.Getenv("LISTEN"), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, s.ListenAndServe())
	os.Exit(1)
}

func protected(ctx context.Context) (http.Handler, error) {
	text, err := os.ReadFile(os.Getenv("KEYS"))
	if err != nil {
		return nil, err
	}
	var keys []gatehouse.APIKey // [{"Digest": "sha256:…", "Identity": {"Subject": "ada", "Tenant": "acme"}}]
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, err
	}
	db, err := sql.Open("pgx", os.Getenv("DATABASE"))
	if err != nil {
		return nil, err
	}
	if err := tenantsql.Check(ctx, db, "note"); err != nil { // or the tenants would see each other
		return nil, err
	}
	return mcpsdk.Handler(notes(db), gatehouse.Resource{URL: os.Getenv("RESOURCE"), Name: "Notes"}, &gatehouse.APIKeyVerifier{Keys: keys}, nil)
}

// notes has tools whose SQL names no tenant: the database adds it.
func notes(db *sql.DB) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "add", Description: "Keep a note."},
		func(ctx context.Context, _ *mcp.CallToolRequest, in struct {
			Text string `json:"text"`
		},
		) (*mcp.CallToolResult, any, error) {
			return answer("kept", tenantsql.For(ctx, db, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, `INSERT INTO note (body) VALUES ($1)`, in.Text)
				return err
			}))
		})
	mcp.AddTool(s, &mcp.Tool{Name: "find", Description: "The notes that have a text in them."},
		func(ctx context.Context, _ *mcp.CallToolRequest, in struct {
			Text string `json:"text"`
		},
		) (*mcp.CallToolResult, any, error) {
			var found []string
			err := tenantsql.For(ctx, db, func(tx *sql.Tx) (err error) {
				rows, err := tx.QueryContext(ctx, `SELECT body FROM note WHERE strpos(body, $1) > 0 ORDER BY body`, in.Text)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, rows.Close()) }()
				for rows.Next() {
					var body string
					if err := rows.Scan(&body); err != nil {
						return err
					}
					found = append(found, body)
				}
				return rows.Err()
			})
			return answer(strings.Join(found, "\n"), err)
		})
	return s
}

// answer tells callers what they may know of an error: that there was one, or why
// they were refused.
func answer(text string, err error) (*mcp.CallToolResult, any, error) {
	if refused, ok := errors.AsType[*gatehouse.Error](err); ok {
		return nil, nil, refused
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return nil, nil, errors.New("the database refused")
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}
