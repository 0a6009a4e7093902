// Command mcpclient is an MCP client that reaches its server by a command, as
// clients on a desk do: it does what a scenario of the official conformance suite
// wants a client to do.
//
//	mcpclient GATEHOUSE URL    the scenario is in MCP_CONFORMANCE_SCENARIO
//	xdg-open URL               under this name it is the browser of a user who agrees
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	if filepath.Base(os.Args[0]) == "xdg-open" {
		exit(visit(os.Args[1]))
	}
	if len(os.Args) != 3 {
		exit(fmt.Errorf("usage: %s GATEHOUSE URL", os.Args[0]))
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	exit(run(ctx, os.Args[1], os.Args[2]))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// visit goes where a browser would, or has somebody go there who waits at BROWSER_BY.
func visit(url string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	get := func() (*http.Response, error) { return (&http.Client{Jar: jar}).Get(url) }
	if by := os.Getenv("BROWSER_BY"); by != "" {
		get = func() (*http.Response, error) { return http.Post(by, "text/plain", strings.NewReader(url)) }
	}
	res, err := get()
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	fmt.Fprintf(os.Stderr, "the browser sees %d %s\n", res.StatusCode, page)
	return err
}

// told is what the suite tells a client of a scenario.
type told struct {
	ClientID  string `json:"client_id"`
	Secret    string `json:"client_secret"`
	Issuer    string `json:"issuer"`
	Key       string `json:"private_key_pem"`
	IDPClient string `json:"idp_client_id"`
	IDToken   string `json:"idp_id_token"`
	IDPIssuer string `json:"idp_issuer"`
	IDPToken  string `json:"idp_token_endpoint"`
	Assertion string `json:"valid_jwt"`
	Calls     []struct {
		Name      string         `json:"name"`
		Arguments map[string]any `json:"arguments"`
	} `json:"toolCalls"`
}

// command starts the bridge as the scenario has it.
func command(gatehouse, url, scenario string, t *told, state string) *exec.Cmd {
	args := []string{"bridge", "--state", state, "--keychain", "file", "--verbose", "--client-metadata-url", "https://conformance-test.local/client-metadata.json"}
	env := append(os.Environ(), "PATH="+filepath.Dir(os.Args[0])+string(os.PathListSeparator)+os.Getenv("PATH"))
	with := func(name, value, flag string) {
		if value != "" {
			env = append(env, name+"="+value)
			args = append(args, flag, "env:"+name)
		}
	}
	if t.ClientID != "" {
		args = append(args, "--client-id", t.ClientID)
		with("CLIENT_SECRET", t.Secret, "--client-secret-from")
		with("CLIENT_KEY", t.Key, "--client-key-from")
		if t.Issuer != "" {
			args = append(args, "--client-issuer", t.Issuer)
		}
	}
	switch scenario {
	case "auth/client-credentials-jwt", "auth/client-credentials-basic":
		args = append(args, "--grant", "client-credentials")
	case "auth/enterprise-managed-authorization":
		args = append(args, "--grant", "enterprise", "--idp-issuer", t.IDPIssuer, "--idp-client-id", t.IDPClient, "--idp-token-endpoint", t.IDPToken)
		with("ID_TOKEN", t.IDToken, "--id-token-from")
	case "auth/wif-jwt-bearer":
		args = append(args, "--grant", "workload")
		with("ASSERTION", t.Assertion, "--assertion-from")
	}
	cmd := exec.Command(gatehouse, append(args, url)...)
	cmd.Env, cmd.Stderr = env, os.Stderr
	return cmd
}

func run(ctx context.Context, gatehouse, url string) error {
	scenario := os.Getenv("MCP_CONFORMANCE_SCENARIO")
	t := &told{}
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		if err := json.Unmarshal([]byte(text), t); err != nil {
			return err
		}
	}
	state, err := os.MkdirTemp("", "bridge")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(state) }()
	accept := func(content map[string]any) *mcp.ClientOptions {
		return &mcp.ClientOptions{
			Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{}},
			ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				return &mcp.ElicitResult{Action: "accept", Content: content}, nil
			},
		}
	}
	var options *mcp.ClientOptions
	switch scenario {
	case "elicitation-sep1034-client-defaults":
		options = accept(map[string]any{})
	case "sep-2322-client-request-state":
		options = accept(map[string]any{"confirmed": true})
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test-client", Version: "1.0.0"}, options)
	session, err := client.Connect(ctx, &mcp.CommandTransport{Command: command(gatehouse, url, scenario, t, state)}, nil)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	err = play(ctx, session, scenario, t)
	return join(err, session.Close())
}

// join prefers what went wrong in the scenario.
func join(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
