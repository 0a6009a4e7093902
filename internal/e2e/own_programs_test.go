package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// known is how a client is known at our authorization server. Nothing: it registers itself.
type known struct {
	id     string // what it says it is: the URL of a document about it, or what an administrator made for it
	secret string
	method string // by which it sends that
}

// document says that the id is the URL of one.
func (k known) document() bool { return strings.HasPrefix(k.id, "https://") }

// going is what a client does that signs in by itself when it has to.
type going func(t *testing.T, f *front, p *provider, user string, tools ...string) journey

// tokenOf is the access token in a file that a program keeps.
var tokenOf = regexp.MustCompile(`\\?"access_token\\?":\s*\\?"([^"\\]+)`)

// keeps reads the access token that a program has in a file.
func (w *window) keeps(t testing.TB, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.home, pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %v %v", pattern, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	found := tokenOf.FindSubmatch(text)
	if found == nil {
		t.Fatalf("no access token in %s", files[0])
	}
	return string(found[1])
}

// inspectorKept is where the Inspector has its tokens when there is no keychain.
const inspectorKept = ".mcp-inspector/secrets.json"

// inspector is its command line: it returns what a step results in, or how the
// step failed. Somebody presses y when it asks whether to go on.
func (w *window) inspector(t *testing.T, f *front, k known) func(args ...string) (result json.RawMessage, code int, said string) {
	t.Helper()
	args := []string{
		npm(t, inspectorFile...), "--cli", "--server-url", f.url, "--transport", "http", "--protocol-era", "auto", "--format", "json", "--quiet",
		"--connect-timeout", fmt.Sprint(patience.Milliseconds()), "--callback-url", "http://" + freeAddress(t) + "/oauth/callback",
	}
	switch {
	case k.document():
		args = append(args, "--client-metadata-url", k.id)
	case k.id != "":
		args = append(args, "--client-id", k.id)
	}
	if k.secret != "" {
		args = append(args, "--client-secret", k.secret)
	}
	return func(more ...string) (json.RawMessage, int, string) {
		cmd := exec.CommandContext(w.ctx, node(t), append(slices.Clone(args), more...)...)
		cmd.Env = append(slices.Clone(w.env), "NODE_EXTRA_CA_CERTS="+f.all, "MCP_AUTO_OPEN_ENABLED=true", "MCP_INSPECTOR_SECRET_STORE=file")
		cmd.Stdin, cmd.WaitDelay = strings.NewReader("y\n"), time.Second
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			return nil, cmd.ProcessState.ExitCode(), errs.String()
		}
		var envelope struct{ Result json.RawMessage }
		if err := json.Unmarshal(out.Bytes(), &envelope); err != nil {
			t.Fatalf("got %q, want JSON: %v\n%s", &out, err, &errs)
		}
		return envelope.Result, 0, ""
	}
}

// inspectorTraveller drives the command line of the MCP Inspector, which starts
// anew for each step and keeps what it has in files.
func inspectorTraveller(k known) going {
	return func(t *testing.T, f *front, p *provider, _ string, tools ...string) journey {
		t.Helper()
		w := p.window(t)
		ask := w.inspector(t, f, k)
		// 3 is its exit code for what needs a login that nobody is there for
		if k.id == "" {
			if _, code, said := ask("--method", "tools/list", "--stored-auth-only"); code != 3 {
				t.Errorf("without anything: got exit code %d %s, want 3", code, said)
			}
		}
		list, _, said := ask("--method", "tools/list")
		var have struct{ Tools []struct{ Name string } }
		if err := json.Unmarshal(list, &have); err != nil {
			return journey{met: met{Error: said}, Sent: w.requests()}
		}
		var j journey
		for _, tool := range have.Tools {
			j.Tools = append(j.Tools, tool.Name)
		}
		for _, tool := range tools {
			if strings.HasPrefix(tool, "http://") {
				if err := told(w.ctx, tool, w.keeps(t, inspectorKept)); err != nil {
					t.Fatal(err)
				}
				continue
			}
			answer, code, said := ask("--method", "tools/call", "--tool-name", tool)
			var c content
			_ = json.Unmarshal(answer, &c)
			j.Results = append(j.Results, outcome{Text: c.text(), Status: code, Error: said})
		}
		j.Sent, j.Token = w.requests(), w.keeps(t, inspectorKept)
		return j
	}
}

// remoteKept is where mcp-remote has its tokens.
const remoteKept = ".mcp-auth/mcp-remote-v1/*_tokens.json"

// remote is mcp-remote, and what it will have said.
func (w *window) remote(t *testing.T, f *front, k known, more ...string) (*exec.Cmd, *output) {
	t.Helper()
	_, port, _ := strings.Cut(freeAddress(t), ":")
	limit := fmt.Sprint(patience.Seconds())
	cmd := exec.Command(node(t), npm(t, "node_modules", "mcp-remote", "dist", "proxy.js"), f.url, port, "--auth-timeout", limit, "--connect-timeout", limit)
	switch {
	case k.document():
		cmd.Args = append(cmd.Args, "--client-metadata-url", k.id)
	case k.id != "":
		info := map[string]string{"client_id": k.id}
		if k.secret != "" {
			info["client_secret"], info["token_endpoint_auth_method"] = k.secret, k.method
		}
		cmd.Args = append(cmd.Args, "--static-oauth-client-info", mustJSON(t, info))
	}
	cmd.Args = append(cmd.Args, more...)
	cmd.Env = append(slices.Clone(w.env), "NODE_EXTRA_CA_CERTS="+f.all)
	said := newOutput()
	cmd.Stderr = said
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("mcp-remote said:\n%s", said)
		}
	})
	return cmd, said
}

// remoteTraveller drives mcp-remote, as a client does that knows stdio alone.
func remoteTraveller(k known) going {
	return func(t *testing.T, f *front, p *provider, _ string, tools ...string) journey {
		t.Helper()
		w := p.window(t)
		cmd, _ := w.remote(t, f, k)
		session, err := mcp.NewClient(&mcp.Implementation{Name: "gatehouse-e2e", Version: "1"}, nil).Connect(w.ctx, &mcp.CommandTransport{Command: cmd}, nil)
		if err != nil {
			return journey{met: met{Error: err.Error()}, Sent: w.requests()}
		}
		defer func() { _ = session.Close() }()
		list, err := session.ListTools(w.ctx, nil)
		if err != nil {
			return journey{met: met{Error: err.Error()}, Sent: w.requests()}
		}
		var j journey
		for _, tool := range list.Tools {
			j.Tools = append(j.Tools, tool.Name)
		}
		var none atomic.Int64 // it does not tell
		for _, tool := range tools {
			if strings.HasPrefix(tool, "http://") {
				if err := told(w.ctx, tool, w.keeps(t, remoteKept)); err != nil {
					t.Fatal(err)
				}
				continue
			}
			j.Results = append(j.Results, goStep(w.ctx, session, tool, &none))
		}
		j.Sent, j.Token = w.requests(), w.keeps(t, remoteKept)
		return j
	}
}

// hasty is the way of a client whose clock runs ahead: a token that it gets has
// expired when it is first used.
type hasty struct{ http.RoundTripper }

func (h hasty) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := h.RoundTripper.RoundTrip(r)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/token" || res.StatusCode != http.StatusOK {
		return res, err
	}
	defer func() { _ = res.Body.Close() }()
	var told map[string]any
	if err := json.NewDecoder(res.Body).Decode(&told); err != nil {
		return nil, err
	}
	told["expires_in"] = 1
	text, err := json.Marshal(told)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	res.Header.Del("Content-Length")
	return res, err
}
