package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const proxyPassword = "Zwei7Olives"

// tinyproxy starts a proxy that wants a password, and asks another for the one name
// that nobody else knows. It returns what stands in HTTPS_PROXY.
func tinyproxy(t *testing.T, name string) (p *program, url string) {
	t.Helper()
	program, err := exec.LookPath("tinyproxy")
	if err != nil {
		missing(t, "tinyproxy")
	}
	knows := httptest.NewServer(knowing(name))
	t.Cleanup(knows.Close)
	dir, address := t.TempDir(), freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	conf := filepath.Join(dir, "tinyproxy.conf")
	write(t, conf, "Port "+port+"\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\nLogLevel Connect\nBasicAuth ada "+proxyPassword+"\nUpstream http "+knows.Listener.Addr().String()+"\n")
	p = start(t, exec.Command(program, "-d", "-c", conf))
	eventually(t, "the proxy listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return p, "http://ada:" + proxyPassword + "@" + address
}

// knowing is a proxy that finds one name on this machine, and no other anywhere.
func knowing(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, port, _ := net.SplitHostPort(r.Host)
		out, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil || host != name || r.Method != http.MethodConnect {
			http.Error(w, "no such name", http.StatusBadGateway)
			return
		}
		defer func() { _ = out.Close() }()
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = in.Close() }()
		if _, err := io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
		go func() { _, _ = io.Copy(out, in) }()
		_, _ = io.Copy(in, out)
	}
}

// TestTheBridgeGoesThroughAProxy signs a user in and calls where only a proxy leads to
// the server, and only the proxy knows its name. The user's own browser needs none here.
func TestTheBridgeGoesThroughAProxy(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	_, port, _ := net.SplitHostPort(f.address)
	f.listen, f.address = f.address, "mcp.test:"+port
	f.url = "https://" + f.address + "/mcp"
	f.openOwn(t, goServer(t, true))
	ada := settle(t, f, "ada")
	between, url := tinyproxy(t, "mcp.test")
	browser := posted(t, func(at string) (string, error) {
		back, err := ada.visit(t.Context(), at)
		if err != nil {
			return "", err
		}
		res, err := http.Get(back.String())
		if err != nil {
			return "", err
		}
		return res.Status, res.Body.Close()
	})
	bin, state := filepath.Dir(mcpCommand(t)), t.TempDir()
	with := func(proxy string) []string {
		return []string{"SSL_CERT_FILE=" + f.all, "BROWSER_BY=" + browser, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "https_proxy=" + proxy}
	}
	cmd := exec.Command(node(t), npmScript(t, "stdio.mjs"), "legacy", reading, gatehouseBinary(t), "bridge", f.url, "--keychain", "file", "--state", state)
	cmd.Env = append(os.Environ(), with(url)...)
	out, err := cmd.Output()
	var got struct{ Tools []string }
	if err != nil || json.Unmarshal(out, &got) != nil || len(got.Tools) == 0 {
		t.Fatalf("%v\n%s%s", err, out, stderrIn(err))
	}
	if said := between.stdout.String() + between.stderr.String(); !strings.Contains(said, "CONNECT "+f.address) {
		t.Errorf("the proxy says %s", said)
	}
	for _, args := range [][]string{
		{"connect", "claude-code", f.url, "--print", "--state", state},
		{"connect", "claude-desktop", f.url, "--via", "bridge", "--print", "--state", state},
		{"check", f.url, "--ca", f.all, "--only", "credential-demanded,resource-metadata", "--state", state},
	} {
		if out, errs, code := runWith(t, with(url), patience, gatehouseBinary(t), args...); code != 0 || strings.Contains(out+errs, proxyPassword) {
			t.Errorf("%s: exit %d\n%s%s", args[0], code, out, errs)
		}
	}
	proxiesThatDoNot(t, f.url, url, state, with)
}

// proxiesThatDoNot lead to no server, and say so.
func proxiesThatDoNot(t *testing.T, server, url, state string, with func(proxy string) []string) {
	t.Helper()
	down := "http://ada:" + proxyPassword + "@" + freeAddress(t)
	for name, bad := range map[string]struct {
		proxy, want string
		code        int
	}{
		"a wrong password": {strings.Replace(url, "ada:", "ada:x", 1), "GH-2245 .*\\(401\\)", 5},
		"no password":      {"http://" + url[strings.Index(url, "@")+1:], "GH-2245 .*\\(407\\)", 5},
		"nobody there":     {down, "GH-2245 .*refused", 5},
		"no address":       {"http://ada:" + proxyPassword + "/@proxy:1", "GH-2246 https_proxy", 2},
	} {
		for _, args := range [][]string{
			{"bridge", "login", server, "--keychain", "file", "--state", state},
			{"connect", "claude-code", server, "--print", "--state", state},
		} {
			out, errs, code := runWith(t, with(bad.proxy), patience, gatehouseBinary(t), args...)
			if code != bad.code || !regexp.MustCompile(bad.want).MatchString(errs) || strings.Contains(out+errs, proxyPassword) {
				t.Errorf("%s, %s: exit %d\n%s%s", name, args[0], code, out, errs)
			}
		}
	}
}
