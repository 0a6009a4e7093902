package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	childCommand = "child"     // what soak runs itself as, to be a server over stdio
	seenVariable = "SOAK_SEEN" // names the socket where it reports what it sees
	nonceMark    = "nonce-"
	nonceLength  = len(nonceMark) + 26
)

func newNonce() string { return nonceMark + rand.Text() }

// arguments are those of every tool.
type arguments struct {
	Nonce string `json:"nonce"`
	Size  int    `json:"size,omitempty"` // bytes of the answer beside the nonce
	Wait  int    `json:"wait,omitempty"` // milliseconds until it
}

// toolNames are the tools of each server of ours. "echo" is never forbidden.
func toolNames() []string {
	return []string{"echo", "read_a", "write_a", "write_b", "big", "slow", "tell"}
}

// newServer returns an MCP server of the Go SDK with the tools.
func newServer(name string) *mcp.Server {
	m := mcp.NewServer(&mcp.Implementation{Name: name, Version: "1"}, nil)
	for _, tool := range toolNames() {
		mcp.AddTool(m, &mcp.Tool{Name: tool, Description: "says its nonce"}, answerCall)
	}
	return m
}

func answerCall(ctx context.Context, q *mcp.CallToolRequest, in arguments) (*mcp.CallToolResult, any, error) {
	if in.Wait > 0 {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(time.Duration(min(in.Wait, 5000)) * time.Millisecond):
		}
	}
	if token := q.Params.GetProgressToken(); token != nil {
		n := &mcp.ProgressNotificationParams{ProgressToken: token, Progress: 1, Message: in.Nonce}
		where := ctx // on the stream of the call
		if q.Params.Name == "tell" {
			where = context.Background() // on the stream of the session
		}
		_ = q.Session.NotifyProgress(where, n) // a client without a stream hears nothing
	}
	text := in.Nonce + strings.Repeat(".", min(max(in.Size, 0), 4<<20))
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

// message is what a server looks at in a request.
type message struct {
	Method string `json:"method"`
	Params struct {
		Name      string    `json:"name"`
		Arguments arguments `json:"arguments"`
	} `json:"params"`
}

// report is what a server over stdio tells of what it sees.
type childReport struct {
	Tool, Nonce string
	Credential  string // what it should never have seen
	At          time.Time
}

// runChild serves one client on standard input and output, and reports every call.
func runChild() error {
	to, err := net.Dial("unixgram", os.Getenv(seenVariable)) //nolint:gosec // whoever starts us says where
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer func() { _ = to.Close() }()
	if environ := strings.Join(os.Environ(), "\n"); holdsCredential(environ) {
		send(to, childReport{Credential: "in the environment", At: time.Now()})
	}
	r, w := io.Pipe()
	go func() {
		in := bufio.NewReader(os.Stdin)
		for {
			line, err := in.ReadBytes('\n')
			watchLine(to, line)
			if _, werr := w.Write(line); err != nil || werr != nil {
				_ = w.Close()
				return
			}
		}
	}()
	err = newServer("local").Run(context.Background(), &mcp.IOTransport{Reader: r, Writer: os.Stdout})
	if err != nil && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "clos") {
		return err
	}
	return nil
}

func watchLine(to net.Conn, line []byte) {
	if holdsCredential(string(line)) {
		send(to, childReport{Credential: string(line), At: time.Now()})
	}
	var m message
	if json.Unmarshal(line, &m) == nil && m.Method == "tools/call" {
		send(to, childReport{Tool: m.Params.Name, Nonce: m.Params.Arguments.Nonce, At: time.Now()})
	}
}

func send(to net.Conn, r childReport) {
	text, err := json.Marshal(r)
	if err == nil {
		_, err = to.Write(text)
	}
	if err != nil { // unheard, a call would be one that nobody judged
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}
