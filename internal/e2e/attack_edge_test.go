package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestA130ForwardedAtTheEdge sends every header that claims an address, from a
// stranger and from the proxy that is trusted: only the latter's
// X-Forwarded-For and Forwarded count, and of these the last one that is no proxy's.
func TestA130ForwardedAtTheEdge(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := serve(t, strings.ReplaceAll(allDoors, "UPSTREAM", up.URL))
	_, near := p.key("--name", "near", "--ip", "127.0.0.0/8")
	_, far := p.key("--name", "far", "--ip", "192.0.2.0/24")
	stranger, proxy := p.client(), p.client(p.from("127.0.0.2"))
	ask := func(c *http.Client, key string, headers ...string) (status int, address string) {
		got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, append(modern(key), headers...)...)
		line := ""
		eventually(t, "the log tells of the request", func() bool { line = p.logged(got.header.Get("X-Request-Id")); return line != "" })
		m := regexp.MustCompile(`"?address"?[:=]"?([^" ]+)`).FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("got %q, want an address", line)
		}
		return got.status, m[1]
	}
	chain := strings.Repeat("203.0.113.1, ", 40) + "192.0.2.7"
	believed := []string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 203.0.113.1, 192.0.2.7", "X-Forwarded-For: 192.0.2.7, 127.0.0.2", "X-Forwarded-For: " + chain, `Forwarded: for="192.0.2.7:99";proto=https`}
	never := []string{
		"X-Real-IP: 192.0.2.7", "True-Client-IP: 192.0.2.7", "CF-Connecting-IP: 192.0.2.7", "X-Client-IP: 192.0.2.7", "X-Cluster-Client-IP: 192.0.2.7", "X-Original-Forwarded-For: 192.0.2.7",
		"X-Forwarded-Host: b.mcp.test", "X-Forwarded-Uri: /other", "X-Forwarded-Prefix: /other", "X-Original-URL: /other", "X-Rewrite-URL: /other", "X-Forwarded-Method: DELETE", "X-HTTP-Method-Override: DELETE", "X-Forwarded-User: root",
	}
	for _, h := range append(append([]string{}, believed...), never...) {
		if status, address := ask(stranger, near, h); status != http.StatusOK || address != "127.0.0.1" {
			t.Errorf("a stranger's %.50s: got %d from %s, want 200 from 127.0.0.1", h, status, address)
		}
		if status, address := ask(stranger, far, h); status != http.StatusUnauthorized || address != "127.0.0.1" {
			t.Errorf("a stranger's %.50s: got %d from %s for a key of another network, want 401", h, status, address)
		}
	}
	for _, h := range believed {
		if status, address := ask(proxy, far, h); status != http.StatusOK || address != "192.0.2.7" {
			t.Errorf("the proxy's %.50s: got %d from %s, want 200 from 192.0.2.7", h, status, address)
		}
		if status, _ := ask(proxy, near, h); status != http.StatusUnauthorized {
			t.Errorf("the proxy's %.50s: got %d for a key of another network, want 401", h, status)
		}
	}
	for _, h := range never {
		if status, address := ask(proxy, far, h); status != http.StatusUnauthorized || address != "127.0.0.2" {
			t.Errorf("the proxy's %.50s: got %d from %s, want 401 from 127.0.0.2", h, status, address)
		}
	}
	// The last hop that is no proxy of ours counts, not what a caller wrote in front of it.
	if status, address := ask(proxy, far, "X-Forwarded-For: 192.0.2.7, 203.0.113.9"); status != http.StatusUnauthorized || address != "203.0.113.9" {
		t.Errorf("got %d from %s, want 401 from the hop before the proxy", status, address)
	}
	for _, q := range up.requests() {
		for name := range q.header {
			if strings.Contains(name, "Forwarded") || strings.Contains(name, "Ip") || strings.Contains(name, "Original") || strings.Contains(name, "Rewrite") || strings.Contains(name, "Override") {
				t.Errorf("got %s at the server, want it stripped", name)
			}
		}
		if q.method != http.MethodPost || q.uri != "/mcp" {
			t.Errorf("got %s %s at the server, want POST /mcp", q.method, q.uri)
		}
	}
}

// TestA174WhatListens looks at every socket of the process, and at who may open
// the private ones.
func TestA174WhatListens(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := serve(t, strings.ReplaceAll(allDoors, "UPSTREAM", up.URL))
	want := []string{p.Admin, p.Listen, p.Plain}
	got := listensOn(t, p.PID)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v listened on, want %v and nothing else", got, want)
	}
	for _, a := range got {
		if !strings.HasPrefix(a, "127.0.0.1:") {
			t.Errorf("got %s, want what was configured", a)
		}
	}
	for _, path := range append(unixSockets(t, p), filepath.Join(p.dir, "state", "gatehouse.db"), filepath.Join(p.dir, "state", "audit.jsonl")) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v, want %s for our account alone", info.Mode(), err, path)
		}
	}
	if info, err := os.Stat(filepath.Join(p.dir, "state")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v, want the state for our account alone", info.Mode(), err)
	}
	if n := len(unixSockets(t, p)); n != 1 {
		t.Errorf("got %d sockets, want one", n)
	}
	for name, edit := range map[string][2]string{
		"operators beyond this machine":        {"admin: {listen: 127.0.0.1:0}", "admin: {listen: \"0.0.0.0:0\"}"},
		"operators on all of IPv6":             {"admin: {listen: 127.0.0.1:0}", "admin: {listen: \"[::]:0\"}"},
		"callers in the clear beyond it":       {"tls: {files: {cert: DIR/cert.pem, key: DIR/key.pem}}\n", "\n"},
		"nobody is asked who they are":         {"auth: {api_keys: {}}", "auth: {}"},
		"a list of rules without a rule in it": {"policy: {default: allow}", "policy: {default: deny, rules: []}"},
	} {
		text := strings.Replace(strings.ReplaceAll(allDoors, "UPSTREAM", up.URL), edit[0], edit[1], 1)
		if strings.HasPrefix(name, "callers") {
			text = strings.Replace(text, "listen: 127.0.0.1:0", `listen: "0.0.0.0:0"`, 1)
		}
		path := filepath.Join(p.dir, "wide.yaml")
		write(t, path, strings.ReplaceAll(text, "DIR", p.dir))
		if out := p.fails(t, "serve", "-c", path); !strings.Contains(out, "GH-2") || strings.Contains(out, "lock") {
			t.Errorf("%s: got %s, want a refusal with a code", name, out)
		}
	}
}

// listensOn returns what a process listens on over TCP, by /proc.
func listensOn(t *testing.T, pid int) []string {
	t.Helper()
	mine := map[string]bool{}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		missing(t, "/proc of the process: "+err.Error())
	}
	for _, fd := range fds {
		to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			mine[strings.TrimSuffix(inode, "]")] = true
		}
	}
	var all []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(f)
		_ = f.Close()
		for _, line := range strings.Split(string(text), "\n")[1:] {
			col := strings.Fields(line)
			if len(col) < 10 || !mine[col[9]] || strings.HasPrefix(table, "tcp") && col[3] != "0A" {
				continue
			}
			host, port, _ := strings.Cut(col[1], ":")
			n, _ := strconv.ParseUint(port, 16, 16)
			address := table + " " + host
			if host == "0100007F" {
				address = "127.0.0.1"
			}
			all = append(all, fmt.Sprintf("%s:%d", address, n))
		}
	}
	slices.Sort(all)
	return all
}
