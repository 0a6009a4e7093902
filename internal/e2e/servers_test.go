package e2e

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// goServer starts the official Go SDK's conformance server and returns its URL.
// Stateless, it speaks both eras without sessions; stateful, the older era with them.
func goServer(t testing.TB, stateless bool) string {
	t.Helper()
	bin := build(t, "everything-server", "github.com/modelcontextprotocol/go-sdk/conformance/everything-server")
	address := freeAddress(t)
	p := start(t, exec.Command(bin, "-http", address, "-stateless="+strconv.FormatBool(stateless)))
	p.listening(address)
	return "http://" + address + "/mcp"
}

// nodeServer returns the command line of @modelcontextprotocol/server-everything over stdio.
func nodeServer(t testing.TB) []string {
	t.Helper()
	return []string{node(t), npm(t, "node_modules", "@modelcontextprotocol", "server-everything", "dist", "index.js"), "stdio"}
}

// nodeServerHTTP starts @modelcontextprotocol/server-everything in its own HTTP mode and returns its URL.
func nodeServerHTTP(t testing.TB) string {
	t.Helper()
	command := nodeServer(t)
	address := freeAddress(t)
	cmd := exec.Command(command[0], command[1], "streamableHttp")
	cmd.Env = append(os.Environ(), "PORT="+address[strings.LastIndexByte(address, ':')+1:])
	start(t, cmd).listening(address)
	return "http://" + address + "/mcp"
}

// run runs a program to its end, and returns what it printed and its exit code.
func run(t testing.TB, limit time.Duration, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return runWith(t, nil, limit, name, args...)
}

// runWith is run with more in the environment.
func runWith(t testing.TB, env []string, limit time.Duration, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Dir, cmd.WaitDelay = t.TempDir(), time.Second
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "NO_COLOR=1")
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Errorf("%s %s: not done after %v", name, strings.Join(args, " "), limit)
	}
	noRace(t, errs.String())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
