package e2e

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clientScenarios are those of the official suite for clients that are about MCP
// and not about signing in, with the paths of their servers. Two are not among
// them: request-metadata refuses the first request, which is Gatehouse's own
// here, since it looks at a server before others do; and sse-retry takes times.
var clientScenarios = [][2]string{
	{"initialize", ""}, {"tools_call", "/mcp"}, {"elicitation-sep1034-client-defaults", "/mcp"},
	{"sep-2322-client-request-state", "/mcp"}, {"http-standard-headers", ""}, {"http-custom-headers", ""}, {"http-invalid-tool-headers", ""},
	{"json-schema-ref-no-deref", "/mcp"}, {"json-schema-2020-12-preservation", "/mcp"},
}

// TestConformanceOfAClientThroughGatehouse puts Gatehouse between the official
// Go SDK's client and the servers with which the suite judges clients: what
// arrives there is as good as what the client sent.
func TestConformanceOfAClientThroughGatehouse(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		missing(t, "curl")
	}
	client := build(t, "everything-client", "github.com/modelcontextprotocol/go-sdk/conformance/everything-client")
	address := freeAddress(t)
	yaml := "version: 1\nserver: {public_url: \"http://" + address + "\", listen: \"" + address + "\"}\nauth: {api_keys: {}}\n" +
		"policy: {default: deny, rules: [{name: all, tools: [\"*\"]}]}\nadmin: {listen: \"127.0.0.1:0\"}\nstore: {sqlite: DIR/state/gatehouse.db}\nservers:\n"
	behind := make([]*line, len(clientScenarios))
	for i, s := range clientScenarios {
		behind[i] = newLine(t)
		yaml += fmt.Sprintf("  - {name: s%d, path: /s%d, url: \"http://%s%s\"}\n", i, i, behind[i].at, s[1])
	}
	g := serve(t, yaml)
	_, key := g.key("--name", "suite")
	for i, s := range clientScenarios {
		t.Run(s[0], func(t *testing.T) {
			t.Parallel()
			protected := shim(t, fmt.Sprintf("http://%s/s%d", address, i), key)
			ask := posted(t, func(at string) (string, error) {
				u, err := url.Parse(at)
				if err != nil || u.Path != s[1] {
					return "", fmt.Errorf("got %s, want path %q", at, s[1])
				}
				behind[i].to <- u.Host
				return protected, nil
			})
			command := filepath.Join(t.TempDir(), "client")
			text := "#!/bin/sh\nat=$(curl -sS --fail-with-body --data-raw \"$1\" " + ask + ") || exit 1\nexec " + client + " \"$at\"\n"
			if err := os.WriteFile(command, []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
			suite := start(t, exec.Command(node(t), npm(t, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"),
				"client", "--command", command, "--scenario", s[0], "--timeout", fmt.Sprint(patience.Milliseconds()), "--verbose"))
			select {
			case err := <-suite.done:
				suite.done <- err
				if out := suite.stdout.String() + suite.stderr.String(); err != nil || !strings.Contains(out, "OVERALL: PASSED") {
					t.Errorf("it did not pass: %v", err)
				}
			case <-time.After(2 * patience):
				t.Fatal("the suite does not end")
			}
		})
	}
}

// line is a server of which is known later where it is. What it passes on it does not look at.
type line struct {
	at string
	to chan string
}

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{at: freeAddress(t), to: make(chan string, 1)}
	listener, err := net.Listen("tcp", l.at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		to := ""
		for {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			if to == "" {
				to = <-l.to
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				_ = here.Close()
				continue
			}
			go pipe(here, there)
			go pipe(there, here)
		}
	}()
	return l
}

func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}
