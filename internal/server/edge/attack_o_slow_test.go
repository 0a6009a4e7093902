package edge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"log/slog"
)

// closed wants the other end to hang up.
func closed(t *testing.T, conns []net.Conn) {
	t.Helper()
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("connection %d is still open", i)
		}
		_ = c.Close()
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// What strangers get by default is what the servers are made with.
func TestA194Defaults(t *testing.T) {
	f, _ := secured(t, config.Server{PlainListen: "127.0.0.1:0"}, nil)
	if f.HandshakeWait > 10*time.Second || proxyWait > 10*time.Second || f.WriteWait != defaultWriteWait || f.MaxPerAddress != defaultMaxPerAddress || f.MaxConns < 1 || f.MaxConns > defaultMaxConns {
		t.Errorf("got %v, want 10 s and limits for strangers", f.Edge)
	}
	for name, s := range map[string]*http.Server{"callers": f.public, "plain HTTP": f.refusing} {
		if s.ReadHeaderTimeout <= 0 || s.ReadHeaderTimeout > 10*time.Second || s.IdleTimeout <= 0 || s.IdleTimeout > idleWait || s.MaxHeaderBytes > 64<<10 || s.MaxHeaderBytes == 0 {
			t.Errorf("%s: got %s %s %d, want bounds", name, s.ReadHeaderTimeout, s.IdleTimeout, s.MaxHeaderBytes)
		}
	}
	if f.refusing.ReadTimeout != clearWait || f.refusing.WriteTimeout != clearWait || f.refusing.Protocols.HTTP2() {
		t.Error("want plain HTTP bounded as a whole, and HTTP/1 alone")
	}
	want := http.HTTP2Config{
		MaxConcurrentStreams: 100, MaxReadFrameSize: 16 << 10, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 256 << 10,
		MaxDecoderHeaderTableSize: 4 << 10, MaxEncoderHeaderTableSize: 4 << 10, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 30 * time.Second,
	}
	if got := *f.public.HTTP2; !reflect.DeepEqual(got, want) || !f.public.Protocols.HTTP2() || f.public.Protocols.UnencryptedHTTP2() {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if f := served(t, config.Server{}, nil); f.public.Protocols.HTTP2() || f.public.Protocols.UnencryptedHTTP2() {
		t.Error("got HTTP/2 without TLS, want none")
	}
}

// Whoever is slow to shake hands holds up nobody, and is hung up on.
func TestA194SlowHandshake(t *testing.T) {
	s := besiege(t, func(f *fixture) { f.HandshakeWait = 2 * time.Second })
	var slow []net.Conn
	for i := range 200 {
		c := dial(t, s.address)
		switch i % 4 {
		case 0: // says nothing
		case 1:
			_, _ = io.WriteString(c, "\x16")
		case 2:
			_, _ = io.WriteString(c, "\x16\x03\x01\x02\x00\x01\x00")
		case 3: // a byte at a time
			go func() {
				for range 100 {
					if _, err := io.WriteString(c, "\x16"); err != nil {
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			}()
		}
		slow = append(slow, c)
	}
	for range 20 {
		s.lives(t)
		s.good.CloseIdleConnections() // a new handshake each
	}
	closed(t, slow)
}

func TestA194Slowloris(t *testing.T) {
	s := besiege(t, func(f *fixture) {
		f.public.ReadHeaderTimeout, f.refusing.ReadHeaderTimeout, f.refusing.ReadTimeout = time.Second, time.Second, time.Second
	})
	var slow []net.Conn
	trickle := func(c net.Conn) {
		for range 100 {
			if _, err := io.WriteString(c, "X-A: b\r\n"); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	for i := range 100 {
		var c net.Conn = dial(t, s.address)
		if i%2 == 0 {
			c = s.secure(t, "http/1.1")
		}
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: gate.test\r\n")
		go trickle(c)
		slow = append(slow, c)
	}
	s.lives(t)
	closed(t, slow)
}

// A stream whose window is shut does not hold its handler, nor what is left of
// a short answer when the handler has returned.
func TestA194ShutWindow(t *testing.T) {
	s := besiege(t, func(f *fixture) { f.WriteWait = time.Second })
	c := s.h2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	got := c.drain()
	id, err := c.open(c.get(), true)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is reset", func() bool {
		_, _, gone, reset := got.ended(id)
		return reset || gone
	})
	_ = c.conn.Close()
	got.waits(t)
}

// An idle connection that is lively below TLS is asked whether it lives.
func TestA194StalledFrame(t *testing.T) {
	s := besiege(t, func(f *fixture) {
		f.public.HTTP2.SendPingTimeout, f.public.HTTP2.PingTimeout = time.Second, time.Second
	})
	c := s.h2(t)
	got := c.drain()
	_, _ = c.conn.Write([]byte{0, 0x20, 0, 1, 4, 0, 0, 0, 1, 0x82}) // HEADERS of 8 KiB, of which one byte comes
	got.waits(t)
}

const fewFiles = "GATEHOUSE_TEST_FEW_FILES" // set: TestMain is a server; its value: MaxConns

// starved serves until its standard input ends, and says whether it can still open files.
func starved(conns int) error {
	out := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	e := &Edge{Config: config.Server{Listen: "127.0.0.1:0"}, Log: out, MaxConns: conns}
	if err := e.Listen(context.Background()); err != nil {
		return err
	}
	fmt.Println(e.Addresses()[0])
	ended := make(chan error, 1)
	go func() {
		ended <- e.Serve(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var used syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
			var held []*os.File
			for range 8 {
				f, err := os.Open(os.DevNull)
				if err != nil {
					break
				}
				held = append(held, f)
			}
			fmt.Fprintf(w, "files %d cpu %d errors %d", len(held), used.Utime.Nano()+used.Stime.Nano(), e.Counts().AcceptErrors)
			for _, f := range held {
				_ = f.Close()
			}
		}))
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = e.Close()
	return <-ended
}

// poor is the process of starved.
type poor struct {
	*fixture
	cmd   *exec.Cmd
	stdin io.Closer
	log   logged
}

func newPoor(t *testing.T, conns string) *poor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &poor{fixture: &fixture{t: t}, cmd: exec.Command("sh", "-c", `ulimit -n 256; exec "$0"`, self)}
	p.cmd.Env, p.cmd.Stderr = append(os.Environ(), fewFiles+"="+conns), &p.log
	p.stdin, err = p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	b := make([]byte, 64)
	n, err := stdout.Read(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, &p.log)
	}
	p.address = strings.TrimSpace(string(b[:n]))
	return p
}

// facts asks how many files can still be opened, what CPU time was spent, and
// how often accepting has failed.
func (p *poor) facts(c *http.Client) (files int, cpu time.Duration, failed int) {
	p.t.Helper()
	_, body := ask(p.t, c, "GET", "http://gate.test/")
	if _, err := fmt.Sscanf(body, "files %d cpu %d errors %d", &files, &cpu, &failed); err != nil {
		p.t.Fatalf("got %q", body)
	}
	return files, cpu, failed
}

// A201: with few file descriptors and many connections nothing ends and nothing
// spins; what our own files need is left over; and it is over when they are gone.
func TestA201FileDescriptors(t *testing.T) {
	for name, conns := range map[string]string{"the limit that is found": "0", "none at all": "100000"} {
		t.Run(name, func(t *testing.T) {
			p := newPoor(t, conns)
			held := p.via(p.address)
			p.facts(held) // this one has its connection
			var many []net.Conn
			for range 300 {
				c, err := net.Dial("tcp", p.address)
				if err != nil {
					break
				}
				many = append(many, c)
			}
			_, before, _ := p.facts(held)
			time.Sleep(2 * time.Second)
			files, after, failed := p.facts(held)
			if conns == "0" && (files != 8 || failed != 0) {
				t.Errorf("got %d of 8 files and %d errors, want room for our own files", files, failed)
			}
			if conns != "0" && (failed == 0 || failed > 100 || !strings.Contains(p.log.String(), "too many open files")) {
				t.Errorf("got %d errors, want some, and few\n%s", failed, &p.log)
			}
			if spent := after - before; spent > 500*time.Millisecond {
				t.Errorf("got %s of CPU time in two seconds, want it to rest", spent)
			}
			for _, c := range many {
				_ = c.Close()
			}
			eventually(t, "it is over", func() bool {
				_, _, err := tryAsk(t, p.via(p.address), "GET", "http://gate.test/")
				return err == nil
			})
			_ = p.stdin.Close()
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("got %v in the end\n%s", err, &p.log)
			}
		})
	}
}

// A197: the toolchain before 1.26.9 had a race that kills the process.
func TestA197ToolchainFloor(t *testing.T) {
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go 1\.(\d+)\.(\d+)$`).FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal("got no go line of three numbers in go.mod")
	}
	var minor, patch int
	_, _ = fmt.Sscan(m[1]+" "+m[2], &minor, &patch)
	if minor < 26 || minor == 26 && patch < 9 || minor == 27 && patch < 2 {
		t.Errorf("got go 1.%d.%d, want at least 1.26.9 or 1.27.2", minor, patch)
	}
}
