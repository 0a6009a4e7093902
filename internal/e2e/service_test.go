package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asService is what the unit in deploy/systemd runs, with its two sockets and a credential.
const asService = `version: 1
server:
  public_url: https://mcp.test
  listen: systemd:https
  plain_listen: systemd:http
  tls: {files: {cert: DIR/cert.pem, key: DIR/key.pem}}
servers: [{name: demo, stdio: {command: [GATEHOUSE, demo-server]}}]
auth: {api_keys: {pepper: "${file:gatehouse.pepper}"}}
policy: {default: allow}
store: {sqlite: DIR/state/gatehouse.db}
`

// listener makes a socket and the descriptor to pass on.
func listener(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, l.Addr().String()
}

// manager hears what a service says to systemd.
type manager struct{ *net.UnixConn }

func (m manager) hears(t *testing.T, want string) {
	t.Helper()
	b := make([]byte, 4096)
	for _ = m.SetReadDeadline(time.Now().Add(patience)); ; {
		n, err := m.Read(b)
		if err != nil {
			t.Fatalf("waited in vain for %q: %v", want, err)
		}
		if strings.HasPrefix(string(b[:n]), want) {
			return
		}
		if !strings.HasPrefix(string(b[:n]), "WATCHDOG=1") {
			t.Fatalf("got %q, want %q", b[:n], want)
		}
	}
}

// TestService runs the program as systemd does: sockets by their names, a
// credential, the watchdog, a reload, the end.
func TestService(t *testing.T) {
	t.Parallel()
	p := &production{dir: stateDir(t)}
	p.file, p.pool = filepath.Join(p.dir, "gatehouse.yaml"), certificate(t, p.dir, "mcp.test")
	p.configure(t, asService)
	credentials := t.TempDir()
	write(t, filepath.Join(credentials, "gatehouse.pepper"), strings.Repeat("pepper", 8))
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(p.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = heard.Close() }()
	m := manager{heard}
	secure, secureAddress := listener(t)
	plain, plainAddress := listener(t)

	cmd := exec.Command("sh", "-c", `export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$0" "$@"`, gatehouseBinary(t), "serve", "-c", p.file)
	cmd.ExtraFiles = []*os.File{secure, plain}
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "LISTEN_FDS=2", "LISTEN_FDNAMES=https:http", "WATCHDOG_USEC=300000",
		"NOTIFY_SOCKET="+filepath.Join(p.dir, "notify"), "CREDENTIALS_DIRECTORY="+credentials)
	service := start(t, cmd)
	m.hears(t, "READY=1\nSTATUS=serving 1 MCP server")
	m.hears(t, "WATCHDOG=1")

	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: p.pool, ServerName: "mcp.test"}}}
	res, err := c.Get("https://" + secureAddress + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode < 400 || res.TLS == nil || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("got %d %v, want a refusal over TLS", res.StatusCode, res.Header)
	}
	conn, err := net.Dial("tcp", plainAddress)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /mcp HTTP/1.1\r\nHost: mcp.test\r\nAuthorization: Bearer x\r\n\r\n")
	if got, _ := io.ReadAll(conn); !strings.Contains(string(got), "GH-1015") {
		t.Errorf("got %q over plain HTTP, want it refused", got)
	}
	_ = conn.Close()

	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.hears(t, "RELOADING=1\nMONOTONIC_USEC=")
	m.hears(t, "READY=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.hears(t, "STOPPING=1")
	if err := <-service.done; err != nil {
		t.Errorf("ended with %v, want exit 0", err)
	}
}
