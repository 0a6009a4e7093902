package edge

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/notify"
	"log/slog"
)

const asService = "GATEHOUSE_TEST_SERVICE" // set: this is a service, not a test

func TestMain(m *testing.M) {
	var err error
	if dir := os.Getenv(asService); dir != "" {
		err = service(dir)
	} else if conns := os.Getenv(fewFiles); conns != "" {
		n, _ := strconv.Atoi(conns)
		err = starved(n)
	} else {
		os.Exit(m.Run())
	}
	if err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error())
		os.Exit(1)
	}
}

// service is a process that systemd has started: it serves until its standard input ends.
func service(dir string) error {
	e := &Edge{
		Config: config.Server{Listen: "systemd:https", PlainListen: "systemd:http", TLS: config.TLS{
			Files: []config.KeyPair{{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}},
		}},
		Domains: []string{"gate.test"}, Log: slog.New(slog.DiscardHandler), Inherited: Passed(),
	}
	if os.Getenv("LISTEN_FDS") != "" {
		return os.ErrExist // a child would take our sockets for its own
	}
	if err := e.Listen(context.Background()); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		ended <- e.Serve(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "served") }))
	}()
	if err := notify.Ready("serving"); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = notify.Stopping()
	if err := e.Close(); err != nil {
		return err
	}
	return <-ended
}

// A process as systemd starts it: with sockets, their names, and somebody to notify.
func TestSystemdStartsUs(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	a.pair(t, dir, names("gate.test"))
	said, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	hear := func(want string) {
		t.Helper()
		_ = said.SetReadDeadline(time.Now().Add(20 * time.Second))
		b := make([]byte, 1024)
		if n, err := said.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), want) {
			t.Fatalf("got %q %v, want %s", b[:n], err, want)
		}
	}
	secure, secureAddress := inherited(t, "https")
	plain, plainAddress := inherited(t, "http")
	defer secure.Close()
	defer plain.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, self) // the process id is known in it only
	cmd.ExtraFiles = []*os.File{secure, plain}
	cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=https:http", "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), asService+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	hear("READY=1\nSTATUS=serving")
	f := &fixture{t: t, pool: a.pool}
	if _, body := ask(t, f.via(secureAddress), "GET", "https://gate.test/"); body != "served" {
		t.Errorf("got %q over HTTPS, want an answer", body)
	}
	if got := raw(t, plainAddress, plainRequest("POST", "/", "Content-Length: 0")); !strings.Contains(got, "GH-1016") {
		t.Errorf("got %q over HTTP, want it refused", got)
	}
	_ = stdin.Close()
	hear("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v in the end\n%s", err, &stderr)
	}
}
