package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// busy is something that a bridge is at when its client goes.
type busy struct {
	name string
	// serves starts the server for it, and returns the address, and whether the bridge
	// has come so far.
	serves func(t *testing.T) (url string, at func(p *bridged) bool)
}

// bridged is a bridge whose client is gone soon.
type bridged struct {
	cmd    *exec.Cmd
	in     io.Writer
	stderr *output
	done   chan struct{}
}

const firstWords = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}` + "\n" +
	`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" + `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}` + "\n"

// works are what a bridge may be at.
func works() []busy {
	return []busy{
		{"a sign-in", protectedFake},
		{"waiting for a server", hangingUp},
		{"a long stream", streamingFake},
	}
}

// hangingUp is a server that takes no request.
func hangingUp(t *testing.T) (string, func(*bridged) bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var tries atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tries.Add(1)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/mcp", func(*bridged) bool { return tries.Load() > 1 }
}

// protectedFake is a server that nobody signs in to.
func protectedFake(t *testing.T) (string, func(*bridged) bool) {
	t.Helper()
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/.well-known/oauth-protected-resource/mcp":
			_, _ = fmt.Fprintf(w, `{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, s.URL)
		case "/.well-known/oauth-authorization-server":
			_, _ = fmt.Fprintf(w, `{"issuer":"%[1]s","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token","registration_endpoint":"%[1]s/register","code_challenge_methods_supported":["S256"]}`, s.URL)
		case "/register":
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"client_id":"c"}`)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/mcp", func(p *bridged) bool { return strings.Contains(p.stderr.String(), "/authorize?") }
}

// streamingFake is a server whose call goes on without end.
func streamingFake(t *testing.T) (string, func(*bridged) bool) {
	t.Helper()
	var told atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case strings.Contains(string(body), `"initialize"`):
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`)
		case strings.Contains(string(body), "tools/call"):
			w.Header().Set("Content-Type", "text/event-stream")
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n")
				_ = http.NewResponseController(w).Flush()
				told.Add(1)
				time.Sleep(20 * time.Millisecond) // as fast as it works
			}
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL + "/mcp", func(*bridged) bool { return told.Load() > 2 }
}

// goes is a way in which a client goes.
type goes struct {
	name  string
	start func(t *testing.T, args []string) (p *bridged, leave func())
}

// ways are those that there are. In all but the first, somebody else has the other
// ends of the bridge's input and output yet.
func ways() []goes {
	return []goes{
		{"closes its side", closesItsSide},
		{"is killed", isKilled},
		{"is a terminal that is closed", isATerminal},
	}
}

func (p *bridged) starts(t *testing.T, env ...string) {
	t.Helper()
	p.stderr, p.done = newOutput(), make(chan struct{})
	p.cmd.Stderr, p.cmd.Env = p.stderr, append(os.Environ(), env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }() // when nobody has its standard error any more
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			_ = p.cmd.Process.Kill()
		}
		noRace(t, p.stderr.String())
	})
}

func closesItsSide(t *testing.T, args []string) (*bridged, func()) {
	p := &bridged{cmd: exec.Command(args[0], args[1:]...)}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	p.starts(t)
	return p, func() { _ = in.Close() }
}

func isKilled(t *testing.T, args []string) (*bridged, func()) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() }) // not before the end
	p := &bridged{cmd: exec.Command("sh", append([]string{"-c", `"$@" <&3 & wait`, "sh"}, args...)...), in: w}
	p.cmd.ExtraFiles = []*os.File{r}
	p.starts(t)
	_ = r.Close()
	return p, func() { _ = p.cmd.Process.Kill() }
}

func isATerminal(t *testing.T, args []string) (*bridged, func()) {
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(near.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	far, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &bridged{cmd: exec.Command(args[0], args[1:]...), in: near}
	p.cmd.Stdin, p.cmd.Stdout = far, far
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p.starts(t)
	_ = far.Close()
	return p, func() { _ = near.Close() }
}

// TestTheBridgeEndsWithItsClient however the client goes, and whatever the bridge is at.
func TestTheBridgeEndsWithItsClient(t *testing.T) {
	t.Parallel()
	for _, how := range ways() {
		for _, what := range works() {
			t.Run(what.name+", and the client "+how.name, func(t *testing.T) {
				t.Parallel()
				url, at := what.serves(t)
				p, leave := how.start(t, []string{gatehouseBinary(t), "bridge", url, "--no-browser", "--keychain", "file", "--state", t.TempDir()})
				if _, err := io.WriteString(p.in, firstWords); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the bridge is at it", func() bool { return at(p) })
				leave()
				select {
				case <-p.done:
				case <-time.After(patience):
					t.Error("the bridge goes on without its client")
				}
			})
		}
	}
}
